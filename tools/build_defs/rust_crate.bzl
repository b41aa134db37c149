"""rust_crate: every target of one crate of the workspace, as its Cargo.toml says.

    //DIR:lib                 the library
    //DIR:NAME                each binary (an alias of the library where the crate has none)
    //DIR:lib_test            the tests inside the library
    //DIR:TEST                each tests/TEST.rs and tests/TEST/main.rs
    //DIR:clippy, :rustfmt    the lints of [workspace.lints] as errors, and the formatting
"""

load("@crates//:defs.bzl", "LINT_FLAGS", "MEMBERS")
load("@h2spec//:defs.bzl", "H2SPEC")
load("@machine//:defs.bzl", "CONFORMANCE", "PROGRAMS", "ROOT")
load("@rules_rust//cargo:defs.bzl", "cargo_build_script")
load("@rules_rust//rust:defs.bzl", "rust_binary", "rust_clippy", "rust_library", "rust_test", "rustfmt_test")
load("//tools/build_defs:feedback.bzl", "FEEDBACK_FLAGS")
load("@strangers//:defs.bzl", "ENVOY", "PYTHON")

# What docs/design/fuzzing.md asks of our own crates where they are fuzzed: to tell which of their code ran.
_FLAGS = LINT_FLAGS + select({
    "//tools/fuzz:with_feedback": FEEDBACK_FLAGS,
    "//conditions:default": [],
})

# What a test asks for with required-features, and how it gets it.
_ROOT_TAGS = ["exclusive", "external", "local", "no-sandbox"]

def _needs(features, programs):
    """(target_compatible_with, env, tags) of a test with these required features."""
    missing, env, tags = [], {}, []
    if "netns-tests" in features or "root-tests" in features:
        tags.extend(_ROOT_TAGS)
        if not ROOT:
            missing.append("//tools/build_defs:needs_root__see_README")
    if "stranger-tests" in features:
        env.update({"LATEEN_ENVOY": ENVOY, "LATEEN_PYTHON": PYTHON})
        tags.extend(["cpu:2"])
        if not ENVOY:
            missing.append("//tools/build_defs:needs_strangers__see_README")
    if "cluster-tests" in features:
        # Not part of `//...`: they need a cluster that somebody brought up, and change what is on it.
        tags.extend(["exclusive", "external", "local", "manual", "no-sandbox"])
    if "conformance-tests" in features:
        env["LATEEN_CONFORMANCE"] = CONFORMANCE
        if not CONFORMANCE:
            missing.append("//tools/build_defs:needs_LATEEN_CONFORMANCE__see_README")
    for p in programs:
        if p == "h2spec":
            env["LATEEN_H2SPEC"] = H2SPEC
        if p not in PROGRAMS + (["h2spec"] if H2SPEC else []) and "//tools/build_defs:needs_strangers__see_README" not in missing:
            missing.append("//tools/build_defs:needs_strangers__see_README")
    return missing, env, tags

def rust_crate(name, bin_attrs = {}, compile_data = [], data = [], link_time_optimized = [], own_main = [], programs = {}, test_attrs = {}):
    """Declares the targets of the crate NAME.

    Args:
      name: the package's name in Cargo.toml.
      bin_attrs: binary -> attributes (args, data) for `bazel run`.
      compile_data: files that include_str! and build.rs read, besides proto/ and the sources.
      data: files that tests read when they run.
      link_time_optimized: binaries that are optimized as a whole where they ship: it takes minutes.
      own_main: tests that Cargo.toml declares with harness = false.
      test_attrs: test name -> {"data": [...], "env": {...}, "size": ...} that it gets besides.
      programs: test name -> programs of other projects that it starts (nft, skopeo, ...).
    """
    m = MEMBERS.get(name)
    if not m:
        fail("{}: no such package in the workspace's Cargo.toml".format(name))
    if m["dir"] != native.package_name():
        fail("{} lies in {}".format(name, m["dir"]))
    normal, build, dev = m["normal"], m["build"], m["dev"]
    included = native.glob(["proto/**", "src/**", "testdata/**", "tests/**"], exclude = ["src/**/*.rs"], allow_empty = True) + compile_data
    flags = _FLAGS + select({
        "//tools/build_defs:shipped": m["shipped_flags"],
        "//conditions:default": [],
    })
    shared = {"compile_data": included, "edition": m["edition"], "version": m["version"], "rustc_flags": flags, "visibility": ["//visibility:public"]}
    bin_sources = [b["src"] for b in m["bins"]]
    linted = []

    script = []
    if m["script"]:
        cargo_build_script(
            name = "build_script",
            srcs = ["build.rs"],
            data = included,
            edition = m["edition"],
            deps = build["deps"],
            proc_macro_deps = build["proc_macro_deps"],
            aliases = build["aliases"],
        )
        script = [":build_script"]

    library = []
    if m["has_lib"]:
        rust_library(
            name = "lib",
            crate_name = m["crate"],
            srcs = native.glob(["src/**/*.rs"], exclude = bin_sources, allow_empty = True),
            deps = normal["deps"] + script,
            proc_macro_deps = normal["proc_macro_deps"],
            aliases = normal["aliases"],
            **shared
        )
        rust_test(
            name = "lib_test",
            crate = ":lib",
            data = data,
            deps = dev["deps"],
            proc_macro_deps = dev["proc_macro_deps"],
            rustc_flags = _FLAGS,
            size = "small",
            timeout = "moderate",
        )
        library = [":lib"]
        linted.extend([":lib", ":lib_test"])

    bins = {}
    for b in m["bins"]:
        whole = select({
            "//tools/build_defs:shipped": ["-Clto=fat"],
            "//conditions:default": [],
        }) if b["name"] in link_time_optimized else []
        rust_binary(
            name = b["name"],
            srcs = [b["src"]] if m["has_lib"] else native.glob(["src/**/*.rs"]),
            crate_root = b["src"],
            deps = normal["deps"] + library,
            proc_macro_deps = normal["proc_macro_deps"],
            aliases = normal["aliases"],
            **dict(shared, rustc_flags = flags + whole, **bin_attrs.get(b["name"], {}))
        )
        bins["CARGO_BIN_EXE_" + b["name"]] = "$(rootpath :{})".format(b["name"])
        linted.append(":" + b["name"])
    if not [b for b in m["bins"] if b["name"] == name]:
        native.alias(name = name, actual = ":lib", visibility = ["//visibility:public"])

    for t in m["tests"]:
        test, src = t["name"], t["src"]
        missing, env, tags = _needs(t["features"], programs.get(test, []))
        more = test_attrs.get(test, {"data": [], "env": {}})
        rust_test(
            name = test,
            srcs = native.glob(["tests/**/*.rs"]),
            crate_root = src,
            compile_data = included,
            data = data + more["data"] + [":" + b["name"] for b in m["bins"]],
            deps = depset(normal["deps"] + dev["deps"] + library).to_list(),
            proc_macro_deps = depset(normal["proc_macro_deps"] + dev["proc_macro_deps"]).to_list(),
            aliases = dict(normal["aliases"], **dev["aliases"]),
            crate_features = t["features"],
            edition = m["edition"],
            env = dict(env, **more["env"]),
            rustc_env = bins,
            rustc_flags = _FLAGS,
            size = more.get("size", "medium"),
            tags = tags,
            target_compatible_with = missing,
            use_libtest_harness = test not in own_main,
            version = m["version"],
        )
        if not missing:
            linted.append(":" + test)

    rust_clippy(name = "clippy", testonly = True, visibility = ["//visibility:public"], deps = linted)
    rustfmt_test(name = "rustfmt", targets = linted, size = "small")
