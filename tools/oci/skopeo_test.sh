#!/usr/bin/env bash
# Every image is what its build said, read by a program of another project.
#   usage: skopeo_test.sh IMAGE.tar...
set -euo pipefail
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
[ $# -gt 0 ] || { echo "no images" >&2; exit 1; }
for tar in "$@"; do
  for transport in oci-archive docker-archive; do
    inspected=$(skopeo --tmpdir "$scratch" inspect --config "$transport:$tar")
    python3 - "$tar" "$transport" "$inspected" <<'PYTHON'
import json, sys
tar, transport, config = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
run = config["config"]
user = run.get("User", "")
assert user.split(":")[0] not in ("", "0", "root"), f"{tar}: runs as {user or 'root'}"
assert run["Entrypoint"][0].startswith("/usr/local/bin/"), f"{tar}: {run['Entrypoint']}"
assert config["os"] == "linux" and config["architecture"] == "amd64", f"{tar}: {config['os']}/{config['architecture']}"
print(f"{tar} ({transport}): {run['Entrypoint'][0]} as {user}, {len(config['rootfs']['diff_ids'])} layers")
PYTHON
  done
  # Static programs: an image needs no loader and no library.
  root=$(mktemp -d -p "$scratch")
  skopeo --tmpdir "$scratch" --insecure-policy copy --quiet "oci-archive:$tar" "dir:$root/image"
  for layer in "$root"/image/*; do tar -xf "$layer" -C "$root" 2>/dev/null || true; done
  found=0
  while read -r program; do
    found=1
    # Into a file first: a pipe that grep closes early would count as "not found".
    readelf -lW "$program" > "$root/headers" || { echo "$tar: $(basename "$program"): readelf cannot read it" >&2; exit 1; }
    ! grep -q INTERP "$root/headers" || { echo "$tar: $(basename "$program") asks for a dynamic loader" >&2; exit 1; }
  done < <(find "$root/usr" -type f -perm -u+x)
  [ $found = 1 ] || { echo "$tar: no program inside" >&2; exit 1; }
  rm -rf "$root"
done
