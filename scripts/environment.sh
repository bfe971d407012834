# shellcheck shell=bash
# Sourced by the verbs of this folder and by .ci/run; safe under `set -euo pipefail`.
#
#   set_up EXTRA "$@"     finds a Python, makes a virtual environment, installs the project once
#
# It reads --python VERSION, --jax VERSION and --cpu out of the arguments, and leaves behind
#   ROOT         the checkout
#   VENV         the virtual environment: .venv, .venv-3.12, .venv-jax0.10.2, ...
#   PYTHON       its interpreter
#   ARGUMENTS    what remains of the command line
#
# EFFICIENT_PYTHON names the interpreter to build from; EFFICIENT_CONSTRAINTS a pip constraints file.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

set_up() {
  local extra="$1" accelerator
  shift
  read_arguments "$@"
  accelerator="$(find_accelerator)"
  lock_environment
  make_environment
  install_project "$extra" "$accelerator"
  unlock_environment
}

# Prints the interpreter to build from: of version $1 where given, else any from 3.11 on. Versions
# that continuous integration runs are tried first. Fails silently when there is none.
find_python() {
  local wanted="${1:-}" path without_venv=""
  while IFS= read -r path; do
    accepts "$path" "$wanted" || continue
    if "$path" -c 'import ensurepip, venv' 2>/dev/null; then
      printf '%s\n' "$path"
      return
    fi
    without_venv="${without_venv:-$path}"
  done < <(candidates "$wanted")
  [ -z "$without_venv" ] || die "$without_venv has no venv module: apt install" \
    "python$(version_of "$without_venv")-venv (or name another interpreter in EFFICIENT_PYTHON)"
  return 1
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# Installs Debian's Chromium where there is no browser yet; the tests that need one are skipped, with
# their reason, where that cannot be done.
install_browser() {
  local name
  for name in "${EFFICIENT_CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && type -P "$name" >/dev/null; then return; fi
  done
  if [ "$(id -u)" != 0 ] || ! type -P apt-get >/dev/null; then
    say "no browser, and apt-get cannot be run here: tests of pages are skipped"
    return
  fi
  say "installing Debian's chromium for the tests of pages"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 ||
    say "chromium could not be installed: tests of pages are skipped"
}

# -- the command line ------------------------------------------------------------------------------

read_arguments() {
  CPU_ONLY="" PYTHON_VERSION="" JAX_VERSION="" ARGUMENTS=()
  while [ $# -gt 0 ]; do
    case "$1" in
      --cpu) CPU_ONLY=1 ;;
      --python | --jax)
        [ $# -ge 2 ] || die "$1 needs a version, for example: $1 $(example_of "$1")"
        read_version "$1" "$2"
        shift
        ;;
      --python=* | --jax=*) read_version "${1%%=*}" "${1#*=}" ;;
      *) ARGUMENTS+=("$1") ;;
    esac
    shift
  done
  VENV="$ROOT/.venv${PYTHON_VERSION:+-$PYTHON_VERSION}${JAX_VERSION:+-jax$JAX_VERSION}"
  PYTHON="$VENV/bin/python"
  # An `if`, because a test that is the last command of a function is the function's status.
  if [ -n "$CPU_ONLY" ]; then export JAX_PLATFORMS=cpu; fi
}

read_version() {
  [[ "$2" =~ ^[0-9]+(\.[0-9]+)+$ ]] ||
    die "$1 $2 is not a version; write it as: $1 $(example_of "$1")"
  if [ "$1" = --python ]; then PYTHON_VERSION="$2"; else JAX_VERSION="$2"; fi
}

example_of() { if [ "$1" = --python ]; then echo 3.12; else echo 0.10.2; fi; }

# -- the interpreter -------------------------------------------------------------------------------

# Every interpreter worth asking, best first. `type -ap` lists all of a name on PATH, so that a
# version manager's shim that fails hides no working interpreter behind it.
candidates() {
  local version
  if [ -n "${EFFICIENT_PYTHON:-}" ]; then
    type -p "$EFFICIENT_PYTHON" || true
    return
  fi
  for version in ${1:-3.11 3.12 3.13}; do
    type -ap "python$version" || true
    ls -d "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version"*/bin/python3 2>/dev/null || true
  done
  type -ap python3 python || true
}

# Whether interpreter $1 runs, is at least 3.11 and, where $2 is given, is of that version.
accepts() {
  local version
  version="$(version_of "$1")" || return 1
  [ -z "${2:-}" ] || [ "$version" = "$2" ] || [[ "$version" == "$2".* ]] || return 1
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

need_python() {
  local version="${PYTHON_VERSION:-3.11}" wanted="Python ${PYTHON_VERSION:-3.11 or newer}"
  find_python "$PYTHON_VERSION" && return
  [ -z "${EFFICIENT_PYTHON:-}" ] ||
    die "EFFICIENT_PYTHON=$EFFICIENT_PYTHON is not a working $wanted; unset it or name another"
  die "no $wanted found: apt install python$version python$version-venv (or: pyenv install" \
    "$version), or name an interpreter in EFFICIENT_PYTHON"
}

# -- the virtual environment -----------------------------------------------------------------------

# Two verbs started together take turns. Descriptor 9 is closed before the verb's own work, which
# would otherwise inherit the lock; where flock is missing (macOS) they are simply not kept apart.
lock_environment() {
  exec 9>"$VENV.lock" || die "cannot write to $ROOT: clone into a folder that you own"
  if command -v flock >/dev/null; then flock 9; fi
}

unlock_environment() { exec 9>&-; }

# Keeps a working environment; builds it anew when it is missing, half-made, or of another version
# than the one asked for.
make_environment() {
  local base
  if [ -n "${EFFICIENT_PYTHON:-}" ]; then
    base="$(need_python)" || exit 1
    is_whole "$(version_of "$base")" && return
  else
    is_whole "$PYTHON_VERSION" && return
    base="$(need_python)" || exit 1
  fi
  "$base" -m venv --clear "$VENV" >&2 ||
    die "$base could not make $VENV: apt install python$(version_of "$base")-venv, or free disk space"
}

is_whole() { accepts "$PYTHON" "$1" && "$PYTHON" -m pip --version >/dev/null 2>&1; }

# -- the accelerator -------------------------------------------------------------------------------

# Prints the extra of pyproject.toml that drives this machine's accelerator: cuda, tpu or nothing.
find_accelerator() {
  if [ -n "$CPU_ONLY" ]; then
    return
  elif [ -e /dev/nvidia0 ] || [[ "$(nvidia-smi -L 2>/dev/null || true)" == *GPU* ]]; then
    echo cuda
  elif [ -n "${TPU_NAME:-}" ] || [ -e /dev/accel0 ] || has_google_vfio; then
    echo tpu
  fi
}

# Newer TPU machines hand their chips over through vfio: /dev/vfio/N is group N, vendor 0x1ae0.
has_google_vfio() {
  local device
  for device in /dev/vfio/[0-9]*; do
    grep -qs 0x1ae0 /sys/kernel/iommu_groups/"${device##*/}"/devices/*/vendor && return
  done
  return 1
}

describe() {
  case "$1" in
    cuda) echo "NVIDIA GPU found" ;;
    tpu) echo "TPU found" ;;
    *) if [ -n "$CPU_ONLY" ]; then echo "CPU asked for"; else echo "no GPU or TPU found"; fi ;;
  esac
}

# -- the installation ------------------------------------------------------------------------------

# Installs the project, editable, with extra $1 and accelerator $2 unless that was done before. One
# stamp per extra, written last, says so: an interrupted installation leaves none and is repeated.
install_project() {
  local wanted=() extra digest missing="" extras started=$SECONDS found
  for extra in "$1" "$2"; do [ -z "$extra" ] || wanted+=("$extra"); done
  found="Python $(version_of "$PYTHON"), $(describe "$2")"
  digest="$(digest_installation)"
  for extra in base ${wanted[@]+"${wanted[@]}"}; do # the expansion is for bash 3 under set -u
    [ "$(cat "$VENV/installed-$extra" 2>/dev/null)" = "$digest" ] || missing=1
  done
  if [ -z "$missing" ]; then
    say "$found; ${VENV##*/} is up to date"
    return
  fi
  extras="${wanted[*]+"${wanted[*]}"}"
  extras="${extras:+[${extras// /,}]}"
  say "$found; installing efficient$extras into ${VENV##*/} (takes minutes the first time)"
  run_pip "$extras"
  for extra in base ${wanted[@]+"${wanted[@]}"}; do
    printf '%s\n' "$digest" >"$VENV/installed-$extra"
  done
  say "installed efficient$extras in $((SECONDS - started)) s"
}

run_pip() {
  local log="$VENV/install.log" options=()
  [ -z "${EFFICIENT_CONSTRAINTS:-}" ] || options+=(--constraint "$EFFICIENT_CONSTRAINTS")
  [ -z "$JAX_VERSION" ] || options+=("jax==$JAX_VERSION")
  "$PYTHON" -m pip install --disable-pip-version-check ${options[@]+"${options[@]}"} \
    --editable "$ROOT$1" >"$log" 2>&1 && return
  tail -n 8 "$log" >&2
  die "pip could not install efficient$1: see $log; check network and disk space, then run this again"
}

# Changes whenever the installed environment no longer answers to what is asked of it.
digest_installation() {
  {
    cat "$ROOT/pyproject.toml" "$VENV/pyvenv.cfg"
    [ -z "${EFFICIENT_CONSTRAINTS:-}" ] || cat "$EFFICIENT_CONSTRAINTS"
    printf '%s\n' "$ROOT" "$JAX_VERSION"
  } | cksum
}
