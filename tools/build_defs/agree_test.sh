#!/usr/bin/env bash
# Cargo and Bazel build the same workspace: every member has its targets, and what ships has no test features.
#   usage: agree_test.sh SHIPPED_FEATURES.json
set -euo pipefail
python3 - "$1" <<'PYTHON'
import json, sys

shipped = json.load(open(sys.argv[1]))
tokio = [f for name, features in shipped.items() if name.startswith("tokio-1.") for f in features]
assert "rt" in tokio, f"tokio is not among what ships: {sorted(shipped)}"
assert "test-util" not in tokio, "tokio's test-util would ship: it may be asked for in [dev-dependencies] only"
print(f"{len(shipped)} third-party crates ship; tokio has {sorted(tokio)}")
PYTHON
