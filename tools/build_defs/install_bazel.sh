#!/usr/bin/env bash
# Puts Bazel 7 (Debian unstable's bazel-bootstrap and its rule sets) below one folder, beside an older
# system: nothing of the system's own libc, Java or /usr is changed, and root is not needed.
#   usage: install_bazel.sh PREFIX      (needs apt-get, dpkg-deb, python3)
set -euo pipefail
prefix=$(realpath -m "$1")
suite=${BAZEL_SUITE:-sid}
log=$prefix.log
fail() { echo "install_bazel: $*" >&2; exit 1; }

case $prefix in /tmp/*) fail "PREFIX may not lie below /tmp (Bazel's sandbox hides it): set LATEEN_BAZEL to another folder" ;; esac
for p in apt-get dpkg-deb python3; do
  command -v "$p" >/dev/null || fail "$p is missing. This installer uses Debian's packages; on another system install Bazelisk (https://github.com/bazelbuild/bazelisk) and run this again"
done
[ -r /usr/share/keyrings/debian-archive-keyring.gpg ] ||
  fail "Debian's archive keyring is missing (package debian-archive-keyring). On another system install Bazelisk (https://github.com/bazelbuild/bazelisk)"

mkdir -p "$(dirname "$prefix")"
# A run that was cut short leaves nothing that looks finished: all is built aside and moved at the end.
# (The launcher's paths name the final folder, so it is the real one that is filled, emptied first.)
marker=$prefix/.lateen-bazel
if [ -e "$prefix" ] && [ ! -e "$marker" ]; then
  [ -d "$prefix" ] && [ -z "$(ls -A "$prefix")" ] ||
    fail "$prefix holds something that this installer did not put there: empty it, or set LATEEN_BAZEL to another folder"
fi
rm -rf "$prefix"; mkdir -p "$prefix"; touch "$marker"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial}

# The same mirror and keys that this machine's own apt uses, another suite, lists of its own.
# (The security archive has the same origin, but neither this label nor this suite.)
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed -n 1p) || true
[ -n "$mirror" ] || mirror=$(grep -rhoE 'https?://[^ ]*debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -v security | sed -n 1p | tr -d ' ') || true
[ -n "$mirror" ] || fail "apt knows no Debian mirror: run 'apt-get update' once as root"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$work/sources.list"

# What Bazel's package asks for and a Rust build does not use counts as installed.
for p in build-essential default-{jdk,jre}-headless python3 unzip zlib1g-dev ca-certificates{,-java} \
    java-common tzdata media-types openssl debconf perl junit4 velocity async-profiler-java \
    protobuf-compiler-grpc-java-plugin util-linux libpam0g libpam-{modules,runtime} libcommons-logging-java \
    lib{bcprov,eclipse-jdt-core,jgit,log4j2,proguard,maven3-core,jaxb-api,jacoco,jarjar,zstd-jni,tomcat9,truth,xz}-java \
    lib{jackson2-core,plexus-utils2,maven-resolver,maven-enforcer-plugin,maven-parent,jsr305,geronimo-annotation-1.3-spec}-java \
    librust-tinyjson-dev node-core-js libjs-jquery node-html5shiv; do
  printf 'Package: %s\nStatus: install ok installed\nVersion: 9:999\nArchitecture: all\nMulti-Arch: foreign\nMaintainer: none\nDescription: not needed here\n\n' "$p"
done > "$work/status"
# As root apt would drop to its own user, which cannot write here; as another user it has nothing to drop.
apt=(apt-get -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache"
  -o APT::Install-Recommends=false -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Debug::NoLocking=1
  -o Acquire::Retries=3)
{
  "${apt[@]}" update
  "${apt[@]}" install -y --download-only bazel-bootstrap openjdk-21-jre-headless libblake3-0 libperfmark-java \
    bazel-platforms bazel-skylib bazel-features bazel-rules-{rust,pkg,cc,java,license,proto,python,shell} \
    patch patchelf
} > "$log" 2>&1 || { tail -n 20 "$log" >&2; fail "Debian's packages could not be fetched (whole log: $log)"; }
for d in "$work"/cache/archives/*.deb; do dpkg-deb -x "$d" "$prefix"; done
(cd "$work/cache/archives" && sha256sum ./*.deb) > "$prefix/DEBS.sha256"

# Absolute links and class paths, re-based on the prefix.
find "$prefix" -type l -lname '/*' | while read -r l; do
  t=$(readlink "$l")
  if [ -e "$prefix$t" ]; then ln -sfn "$prefix$t" "$l"; fi
done
cp_file=$prefix/usr/share/bazel/bazel_classpath_debian_depends.txt
sed -i "s#^/usr/share/java#$prefix/usr/share/java#" "$cp_file"
for j in perfmark-api perfmark-impl opencensus-api opencensus-contrib-grpc-metrics httpclient httpcore \
    protobuf protobuf-util error-prone-annotations commons-codec escapevelocity; do
  echo "$prefix/usr/share/java/$j.jar" >> "$cp_file"
done

# Its programs use the libc that came with them, by their own ELF headers: nothing leaks to what they start.
loader=$(find "$prefix/usr/lib" -name 'ld-linux*' -type f -print -quit)
lib=$(dirname "$loader")
bundled() { local program=$1; shift; "$loader" --library-path "$lib" "$program" "$@"; }
jdk=$(echo "$prefix"/usr/lib/jvm/java-21-openjdk-*)
for f in "$prefix"/usr/bin/bazel "$prefix"/usr/libexec/*/bazel/* "$jdk/bin/java" "$jdk/lib/jspawnhelper"; do
  bundled "$prefix/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath \
    --set-rpath "$lib:$(bundled "$prefix/usr/bin/patchelf" --print-rpath "$f")" "$f"
done

# rules_rust 0.54.1 does not know cargo's newer `cargo::KEY=VALUE` lines; WORKSPACE applies the same patch.
bundled "$prefix/usr/bin/patch" -s -p1 -d "$prefix/usr/share/bazel/rules/rust" \
  < "$(dirname "$0")/rules_rust_cargo_colons.patch"
rm -rf "$prefix"/usr/share/{doc,man,locale,maven-repo}

# The rule sets that WORKSPACE names by URL are already here (rules_rust at the same version): use those.
b=$prefix/usr/share/bazel
for kv in rules_rust=rules/rust rules_cc=rules/cc rules_license=rules/license rules_proto=rules/proto rules_pkg=rules/pkg \
    rules_python=rules/python rules_shell=rules/shell bazel_skylib=tools/skylib bazel_features=tools/features platforms=tools/platforms; do
  echo "common --override_repository=${kv%%=*}=$b/${kv#*=}"
done > "$prefix/bazelrc"
mkdir -p "$prefix/staged"
printf '#!/bin/sh\nexec %s --nosystem_rc --bazelrc=%s --install_base=%s --trust_install_base --server_javabase=%s "$@"\n' \
  "$prefix/usr/bin/bazel" "$prefix/bazelrc" "$b" "$jdk" > "$prefix/staged/bazel"
chmod +x "$prefix/staged/bazel"
case $("$prefix/staged/bazel" --version) in
  "bazel 7."*) ;;
  *) fail "this is no Bazel 7: Debian $suite has moved on; install Bazelisk, or set BAZEL_SUITE" ;;
esac
# The wrapper looks for bin/bazel: it appears only when everything before has worked.
mv "$prefix/staged" "$prefix/bin"
rm -f "$log"
"$prefix/bin/bazel" --version
