"""What this machine lets tests do: root, the conformance data, programs of other projects."""

_PROGRAMS = ["curl", "ip", "iptables-restore", "nft", "openssl", "skopeo", "valgrind"]

# As .bazelrc sets it for tests.
_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]

def _impl(rctx):
    root = rctx.execute(["id", "-u"]).stdout.strip() == "0" or rctx.os.environ.get("LATEEN_ROOT_TESTS", "") == "1"
    conformance = rctx.os.environ.get("LATEEN_CONFORMANCE", "")
    if conformance and not rctx.path(conformance).exists:
        fail("LATEEN_CONFORMANCE={}: no such folder (an absolute path is wanted)".format(conformance))

    # Watched: a program that is installed later counts at the next run.
    programs = []
    for p in _PROGRAMS:
        for d in _PATH:
            path = rctx.path("{}/{}".format(d, p))
            rctx.watch(path)
            if path.exists and p not in programs:
                programs.append(p)
    notes = []
    if not root:
        notes.append("tests that need root show as SKIPPED; to run them: ./tools/bazel test --config=root //...")
    if not conformance:
        notes.append("tests of Istio's own cases show as SKIPPED; to run them: LATEEN_CONFORMANCE=/absolute/folder ./tools/bazel test //...")
    for p in _PROGRAMS:
        if p not in programs:
            notes.append("tests that start {0} show as SKIPPED; to run them, install {0}".format(p))
    if notes:
        # buildifier: disable=print
        print("\n" + "\n".join(notes))
    rctx.file("BUILD.bazel", "")
    rctx.file("defs.bzl", "ROOT = {}\nCONFORMANCE = {}\nPROGRAMS = {}\n".format(root, repr(conformance), repr(programs)))

machine = repository_rule(
    implementation = _impl,
    environ = ["PATH", "LATEEN_CONFORMANCE", "LATEEN_ROOT_TESTS"],
    local = True,
    configure = True,
)
