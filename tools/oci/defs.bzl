"""oci_image: programs as a container image (an OCI layout and docker archive in one tar)."""

load("//tools/build_defs:optimized.bzl", "optimized")

def _impl(ctx):
    tar = ctx.actions.declare_file(ctx.label.name + ".tar")
    digest = ctx.actions.declare_file(ctx.label.name + ".digest")
    args = ctx.actions.args()
    args.add(tar, format = "--out=%s")
    args.add(digest, format = "--digest-out=%s")
    args.add("--tag=" + ctx.attr.tag)
    args.add("--user=" + ctx.attr.user)
    programs = []
    for target, path in ctx.attr.files.items():
        program = target[DefaultInfo].files_to_run.executable
        programs.append(program)
        args.add("--file={}={}".format(path, program.path))
    args.add_all(["{}={}".format(path, target) for path, target in ctx.attr.links.items()], format_each = "--link=%s")
    args.add_all(ctx.attr.writable, format_each = "--writable=%s")
    args.add_all(ctx.attr.entrypoint, format_each = "--entrypoint=%s")
    args.add_all(ctx.attr.cmd, format_each = "--cmd=%s")
    args.add("--env=PATH=/usr/local/bin")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = programs,
        outputs = [tar, digest],
        mnemonic = "OciImage",
        progress_message = "Writing image {}".format(ctx.attr.tag),
    )
    return [
        DefaultInfo(files = depset([tar]), runfiles = ctx.runfiles([tar])),
        OutputGroupInfo(digest = depset([digest])),
    ]

oci_image = rule(
    implementation = _impl,
    attrs = {
        "files": attr.label_keyed_string_dict(cfg = optimized, mandatory = True, doc = "program -> its path in the image"),
        "links": attr.string_dict(doc = "path in the image -> what the symbolic link points to"),
        "writable": attr.string_list(doc = "directories that any user may write"),
        "entrypoint": attr.string_list(mandatory = True),
        "cmd": attr.string_list(),
        "user": attr.string(default = "65532:65532", doc = "never root"),
        "tag": attr.string(mandatory = True),
        "_tool": attr.label(default = "//tools/oci", executable = True, cfg = "exec"),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
)
