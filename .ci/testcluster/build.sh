#!/bin/bash
# Builds one binary with etcd and every Kubernetes component, and a CoreDNS, from their Go modules.
# go.mod and go.sum are whole: nothing is resolved anew, and a module whose text is another one is refused.
set -euo pipefail
. "$(dirname "$0")/env.sh"
mkdir -p "$S"/bin/links
command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || { echo "testcluster: a Go toolchain is needed (Debian's golang-go or the machine's own)"; exit 1; }
export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local
build() { # module-folder binary ldflags
  # What the binary was built from lies beside it: another release or another main.go is built anew.
  local from; from=$(cd "$HERE/$1" && cat go.mod go.sum main.go | sha256sum)
  if [ -x "$S/bin/$2" ] && [ "$(cat "$S/bin/$2.from" 2>/dev/null)" = "$from" ]; then return; fi
  local t=$SECONDS
  (cd "$HERE/$1" && nice -n 5 go build -trimpath -ldflags "$3" -o "$S/bin/.$2" .)
  mv "$S/bin/.$2" "$S/bin/$2"; echo "$from" > "$S/bin/$2.from"
  echo "testcluster: built $2 in $((SECONDS - t)) s"
}
p=k8s.io/component-base/version
build kubernetes kube "-s -w -X $p.gitVersion=v1.36.3 -X $p.gitMajor=1 -X $p.gitMinor=36 -X $p.gitTreeState=clean -X $p.gitCommit=unknown -X $p.buildDate=1970-01-01T00:00:00Z"
for c in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl etcd; do ln -sfn ../kube "$S/bin/links/$c"; done
build coredns coredns "-s -w"
