#!/usr/bin/env bash
# venv.sh PYTHON FOLDER: create the virtual environment; Debian's python3-venv is installed when it is missing.
set -euo pipefail

python=$1
folder=$2
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "geopush needs Python 3.11 or newer; $("$python" --version) is here. Name another with PYTHON=…" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    bash "$(dirname "$0")/debian.sh" "The virtual environment" no-such-command=python3-venv
fi
"$python" -m venv "$folder"
