#!/usr/bin/env bash
# node.sh: succeed when Node 18 or newer and npm are here, as the console's build needs.
set -euo pipefail

if ! command -v npm >/dev/null || ! node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null; then
    echo "The console's build needs Node 18 or newer and npm (Debian: nodejs npm)." >&2
    exit 1
fi
