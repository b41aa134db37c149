"""h2spec for tests: a Go module pinned by version and hash, brought and built by go."""

def _impl(rctx):
    for f in rctx.attr.srcs:
        rctx.symlink(f, rctx.path(f).basename)
    go = rctx.which("go") or (rctx.path("/usr/local/go/bin/go") if rctx.path("/usr/local/go/bin/go").exists else None)
    program = ""
    if go:
        rctx.report_progress("go: h2spec")
        built = rctx.execute(
            [go, "build", "-mod=readonly", "-o", "h2spec", "github.com/summerwind/h2spec/cmd/h2spec"],
            environment = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
            timeout = 600,
        )
        if built.return_code:
            # buildifier: disable=print
            print("the test against h2spec shows as SKIPPED: " + built.stderr.strip())
        else:
            program = str(rctx.path("h2spec"))
    rctx.file("BUILD.bazel", "")
    rctx.file("defs.bzl", "H2SPEC = {}\n".format(repr(program)))

h2spec = repository_rule(
    implementation = _impl,
    attrs = {"srcs": attr.label_list(mandatory = True, doc = "go.mod, go.sum")},
    environ = ["PATH", "HOME", "GOPROXY", "GOFLAGS", "GOMODCACHE", "GOPATH"],
)
