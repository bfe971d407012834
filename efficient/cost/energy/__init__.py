"""Where joules come from, and how good each source is. `meter.Meter` is what callers use."""
