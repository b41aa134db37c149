"""A rust_toolchain over the rustup toolchain that rust-toolchain.toml names."""

_TRIPLE = "x86_64-unknown-linux-gnu"

# The linker that comes with Rust: several times as fast as the C compiler's own, and the same on every machine.
# Its place is absolute, as the C compiler's is: the path inside a sandbox would differ with the configuration.
_LINKER_FLAGS = ["-Clink-arg=-fuse-ld=lld", "-Clink-arg=-B{sysroot}/lib/rustlib/{triple}/bin/gcc-ld"]

_BUILD = """
load("@rules_rust//rust:toolchain.bzl", "rust_stdlib_filegroup", "rust_toolchain", "rustfmt_toolchain")

package(default_visibility = ["//visibility:public"])

filegroup(name = "rustc", srcs = ["bin/rustc"])
filegroup(name = "rustdoc", srcs = ["bin/rustdoc"])
filegroup(name = "rustfmt_bin", srcs = ["bin/rustfmt"])
filegroup(name = "cargo", srcs = ["bin/cargo"])
filegroup(name = "cargo_clippy", srcs = ["bin/cargo-clippy"])
filegroup(name = "clippy_driver", srcs = ["bin/clippy-driver"])
filegroup(name = "rustc_lib", srcs = glob(["lib/*.so*", "lib/rustlib/{t}/lib/*.so*", "lib/rustlib/{t}/bin/rust-lld", "lib/rustlib/{t}/bin/gcc-ld/*"], allow_empty = True))
rust_stdlib_filegroup(name = "rust_std", srcs = glob(["lib/rustlib/{t}/lib/*.rlib", "lib/rustlib/{t}/lib/*.rmeta", "lib/rustlib/{t}/lib/*.so*", "lib/rustlib/{t}/lib/*.a", "lib/rustlib/{t}/lib/self-contained/**"], allow_empty = True))

[rust_toolchain(
    name = name,
    binary_ext = "",
    cargo = ":cargo",
    cargo_clippy = ":cargo_clippy",
    clippy_driver = ":clippy_driver",
    default_edition = "2024",
    dylib_ext = ".so",
    exec_triple = "{t}",
    extra_exec_rustc_flags = {xflags},
    extra_rustc_flags = flags,
    rust_doc = ":rustdoc",
    rust_std = ":rust_std",
    rustc = ":rustc",
    rustc_lib = ":rustc_lib",
    rustfmt = ":rustfmt_bin",
    staticlib_ext = ".a",
    stdlib_linkflags = ["-lpthread", "-ldl"],
    target_triple = "{t}",
) for name, flags in [("rust_toolchain", {flags}), ("rust_toolchain_for_fuzzing", {xflags})]]

[toolchain(
    name = name,
    exec_compatible_with = ["@platforms//cpu:x86_64", "@platforms//os:linux"],
    target_compatible_with = ["@platforms//cpu:x86_64", "@platforms//os:linux"] + constraints,
    toolchain = ":rust_" + name,
    toolchain_type = "@rules_rust//rust:toolchain_type",
) for name, constraints in [("toolchain", []), ("toolchain_for_fuzzing", ["@//tools/fuzz:feedback"])]]

rustfmt_toolchain(name = "rustfmt", rustc = ":rustc", rustc_lib = ":rustc_lib", rustfmt = ":rustfmt_bin")

toolchain(
    name = "rustfmt_toolchain",
    toolchain = ":rustfmt",
    toolchain_type = "@rules_rust//rust/rustfmt:toolchain_type",
)
"""

def _channel(rctx):
    for line in rctx.read(rctx.attr.toolchain_file).split("\n"):
        key, _, value = line.partition("=")
        if key.strip() == "channel":
            return value.strip().strip('"')
    fail("{}: no channel".format(rctx.attr.toolchain_file))

def _impl(rctx):
    channel = _channel(rctx)

    # rustup installs the channel that its override file names, with its components, when it is asked.
    rctx.report_progress("rustup: Rust {}".format(channel))
    found = rctx.execute(["rustc", "--print", "sysroot"], working_directory = str(rctx.path(rctx.attr.toolchain_file).dirname), timeout = 900)
    if found.return_code:
        fail("rustc from rustup is needed (https://rustup.rs):\n" + found.stderr)
    root = rctx.path(found.stdout.strip())
    version = rctx.execute([str(root.get_child("bin").get_child("rustc")), "-vV"]).stdout
    if "release: {}\n".format(channel) not in version:
        fail("Rust {} is wanted (rust-toolchain.toml); found:\n{}\nInstall it with: rustup toolchain install {}".format(channel, version, channel))
    for tool in ["rustfmt", "clippy-driver"]:
        if not root.get_child("bin").get_child(tool).exists:
            fail("{} is missing: rustup component add --toolchain {} rustfmt clippy".format(tool, channel))
    for d in ["bin", "lib"]:
        rctx.symlink(root.get_child(d), d)
    rctx.file("version.txt", version)
    linker_flags = [f.format(sysroot = root.realpath, triple = _TRIPLE) for f in _LINKER_FLAGS]
    rctx.file("BUILD.bazel", _BUILD.format(t = _TRIPLE, flags = repr(linker_flags + rctx.attr.extra_rustc_flags), xflags = repr(linker_flags)))

rust_local_toolchain = repository_rule(
    implementation = _impl,
    attrs = {
        "toolchain_file": attr.label(mandatory = True, doc = "rust-toolchain.toml"),
        "extra_rustc_flags": attr.string_list(doc = "flags for what ships, not for build tools"),
    },
    environ = ["PATH", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"],
    local = True,
)
