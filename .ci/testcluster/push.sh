#!/bin/bash
# Pushes images to the registry that stands for docker.io, under the names that manifests use.
#   usage: push.sh NAME[:TAG]=FILE...      FILE: an image as a tar file (OCI or docker archive)
#   e.g.:  push.sh crossoverjie/k8s-combat:istio=bazel-bin/greeter-demo/image.tar
set -euo pipefail
. "$(dirname "$0")/env.sh"
[ $# -gt 0 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
for pair in "$@"; do
  name=${pair%%=*} file=${pair#*=}
  [ -f "$file" ] && [ "$name" != "$pair" ] || { echo "push.sh: $pair: want NAME[:TAG]=FILE of a file that is there" >&2; exit 2; }
  name=${name#docker.io/}; [[ $name == */* ]] || name=library/$name
  [[ ${name##*/} == *:* ]] || name=$name:latest
  # The index of an OCI archive may name its image; a docker archive has manifest.json instead.
  kind=oci-archive; tar -tf "$file" | grep -qx '\(./\)\?oci-layout' || kind=docker-archive
  skopeo copy --quiet --insecure-policy --dest-tls-verify=false "$kind:$file" "docker://$REGISTRY/$name"
  echo "pushed $name"
done
