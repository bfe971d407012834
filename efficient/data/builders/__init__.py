"""Builders of tensorflow-datasets that run without TensorFlow.

They write array_record, read upstream files with the standard library and encode with Pillow.
They stay out of the registry of tensorflow-datasets, whose own builders keep their names.
"""
