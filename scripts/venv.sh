# Sourced by the other scripts, in the checkout's root: `ensure_venv EXTRA` makes .venv and installs .[EXTRA].
# A virtual environment that has what pyproject.toml asks for is used as it is, without the network.

readonly CURRENT_PYTHON='import sys; sys.exit(sys.version_info < (3, 11))'

# What decides whether an installation is current: the packaging tables, the place, the extra.
readonly FINGERPRINT='
import hashlib, json, os, sys, tomllib
with open("pyproject.toml", "rb") as file:
    tables = tomllib.load(file)
wanted = [tables["build-system"], tables["project"], os.getcwd(), sys.prefix, sys.version, sys.argv[1]]
print(hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest())
'

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# The first Python that is new enough; $PYTHON is the only candidate when it is set.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c "$CURRENT_PYTHON" >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "This needs Python 3.11 or newer; ${PYTHON:-python3} is: $("${PYTHON:-python3}" --version 2>&1 || true)" \
    "Install one, or name it: PYTHON=/path/to/python3.12 $0"
}

is_current() {
  local stamp=".venv/installed-$1"
  [[ -f $stamp ]] && [[ $(.venv/bin/python -c "$FINGERPRINT" "$1" 2>/dev/null) == "$(<"$stamp")" ]]
}

make_venv() {
  local python
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments." \
      "On Debian and Ubuntu: apt-get install python3-venv"
  "$python" -m venv --clear .venv
}

ensure_venv() {
  local extra=$1
  # What development needs includes everything else.
  if is_current "$extra" || is_current dev; then
    return
  fi
  .venv/bin/python -c "$CURRENT_PYTHON" >/dev/null 2>&1 || make_venv
  printf 'Installing .[%s] into .venv ...\n' "$extra" >&2
  rm -f .venv/installed-*
  .venv/bin/python -m pip install -qq --disable-pip-version-check --editable ".[$extra]"
  .venv/bin/python -c "$FINGERPRINT" "$extra" >".venv/installed-$extra"
}
