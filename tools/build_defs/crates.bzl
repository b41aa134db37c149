"""Third-party crates and what the workspace's own crates need, from Cargo.toml and Cargo.lock alone.

`cargo vendor --locked` brings the sources (cargo checks every archive against the checksum in
Cargo.lock); `cargo metadata` says which features and dependencies each crate has on this platform;
one BUILD file is written for each. Cargo unifies features over the whole workspace with its
dev-dependencies, so that what tests ask for (tokio's `test-util`) would ship: metadata is therefore
read twice, and optimized builds (images, benchmarks) get the features found without dev-dependencies.
"""

_TRIPLE = "x86_64-unknown-linux-gnu"
_SHIPPED = "@//tools/build_defs:shipped"

def _run(rctx, args, **kwargs):
    r = rctx.execute(args, timeout = 1800, quiet = True, **kwargs)
    if r.return_code:
        fail("{} failed:\n{}".format(" ".join([str(a) for a in args]), r.stderr))
    return r.stdout

def _kind(target):
    for k in target["kind"]:
        if k in ("lib", "rlib", "dylib", "cdylib", "staticlib"):
            return "lib"
        if k in ("proc-macro", "custom-build", "bin", "test"):
            return k
    return None

def _code(v):
    """Starlark text of an attribute's value: strings, lists, dicts, or text that is code already."""
    return v.code if type(v) == "struct" else repr(v)

def _rule(kind, **attrs):
    return "{}(\n{})\n".format(kind, "".join(["    {} = {},\n".format(k, _code(v)) for k, v in attrs.items() if v not in (None, [], {})]))

def _differ(tested, shipped):
    """The value for ordinary builds, and the one for optimized builds where it is another."""
    if tested == shipped:
        return tested
    return struct(code = "select({{{}: {}, \"//conditions:default\": {}}})".format(repr(_SHIPPED), repr(shipped), repr(tested)))

def _version_env(version):
    # rules_rust 0.54.1 compiles a build script as version 0.0.0 (aws-lc-sys names its symbols by it).
    core, _, pre = version.partition("+")[0].partition("-")
    n = core.split(".")
    return {"CARGO_PKG_VERSION": version, "CARGO_PKG_VERSION_MAJOR": n[0], "CARGO_PKG_VERSION_MINOR": n[1], "CARGO_PKG_VERSION_PATCH": n[2], "CARGO_PKG_VERSION_PRE": pre}

def _packages(rctx, meta, root):
    """All packages of `cargo metadata` by id."""
    by_id = {}
    for p in meta["packages"]:
        lib, lib_kind, script, bins, tests = None, None, None, [], []
        src_dir = p["manifest_path"][:-len("/Cargo.toml")]
        for t in p["targets"]:
            k = _kind(t)
            if k in ("lib", "proc-macro"):
                lib, lib_kind = t, k
            elif k == "custom-build":
                script = t
            elif k == "bin":
                bins.append({"name": t["name"], "src": t["src_path"][len(src_dir) + 1:]})
            elif k == "test":
                tests.append({"name": t["name"], "src": t["src_path"][len(src_dir) + 1:], "features": t.get("required-features", [])})
        local = p["source"] == None
        dir = src_dir[len(root) + 1:] if local else "vendor/{}-{}".format(p["name"], p["version"])
        by_id[p["id"]] = struct(
            name = p["name"],
            version = p["version"],
            edition = p["edition"],
            links = p["links"],
            lib = lib,
            lib_kind = lib_kind,
            script = script,
            bins = bins,
            tests = tests,
            dir = dir,
            local = local,
            src_dir = src_dir,
            label = "@//{}:lib".format(dir) if local else "@{}//{}:lib".format(rctx.attr.name, dir),
            authors = p["authors"],
            homepage = p["homepage"],
            repository = p["repository"],
        )
    return by_id

def _deps(node, by_id, want):
    """Libraries, proc macros and renamed ones among a node's dependencies of the wanted kinds."""
    libs, macros, aliases = [], [], {}
    for d in node["deps"]:
        if not [k for k in d["dep_kinds"] if (k["kind"] or "normal") in want]:
            continue
        p = by_id[d["pkg"]]
        if p.lib == None:
            continue
        (macros if p.lib_kind == "proc-macro" else libs).append(p.label)
        if d["name"] != p.lib["name"].replace("-", "_"):
            aliases[p.label] = d["name"]
    return struct(libs = sorted(libs), macros = sorted(macros), aliases = aliases)

# Build scripts that need another environment: these sources are of C++17, and Bazel's own flags, of C++14, come last.
_BUILD_SCRIPT_ENV = {
    "libfuzzer-sys": {"CXXFLAGS": "-std=c++17"},
}

def _third_party_build(p, node, shipped, by_id, opt_levels):
    """The BUILD file of one vendored crate. `shipped` is its node without dev-dependencies, if it has one."""
    shipped = shipped or node
    env = dict(_version_env(p.version), CARGO_PKG_NAME = p.name, CARGO_PKG_AUTHORS = ":".join(p.authors), CARGO_PKG_DESCRIPTION = "", CARGO_PKG_REPOSITORY = p.repository or "", CARGO_PKG_HOMEPAGE = p.homepage or "", CARGO_CRATE_NAME = p.lib["name"].replace("-", "_"))
    deps, shipped_deps = _deps(node, by_id, ["normal"]), _deps(shipped, by_id, ["normal"])
    rel = lambda t: t["src_path"][len(p.src_dir) + 1:]
    everything = struct(code = "glob([\"**\"], exclude = [\"BUILD.bazel\", \".cargo-checksum.json\", \"**/* *\"], allow_empty = True)")
    sources = struct(code = "glob([\"**/*.rs\"], allow_empty = True)")
    shared = {
        "crate_features": _differ(node["features"], shipped["features"]),
        "edition": p.edition,
        "rustc_flags": _differ(["--cap-lints=allow"], ["--cap-lints=allow"] + _optimized(opt_levels, p.name)),
        "version": p.version,
    }
    out = ['load("@rules_rust//cargo:defs.bzl", "cargo_build_script")\nload("@rules_rust//rust:defs.bzl", "rust_library", "rust_proc_macro")\n\npackage(default_visibility = ["//visibility:public"])\n\n']
    script = []
    if p.script:
        build = _deps(node, by_id, ["build"])
        linked = [by_id[d["pkg"]] for d in node["deps"] if [k for k in d["dep_kinds"] if k["kind"] == None]]
        out.append(_rule(
            "cargo_build_script",
            name = "build_script",
            crate_name = "build_script_build",
            crate_root = rel(p.script),
            srcs = sources,
            data = everything,
            compile_data = everything,
            deps = build.libs,
            proc_macro_deps = build.macros,
            aliases = build.aliases,
            link_deps = [q.label for q in linked if q.links and q.script],
            links = p.links,
            pkg_name = p.name,
            rustc_env = env,
            **(shared if p.name not in _BUILD_SCRIPT_ENV else dict(shared, build_script_env = _BUILD_SCRIPT_ENV[p.name]))
        ))
        script = [":build_script"]
    out.append(_rule(
        "rust_proc_macro" if p.lib_kind == "proc-macro" else "rust_library",
        name = "lib",
        crate_name = p.lib["name"].replace("-", "_"),
        crate_root = rel(p.lib),
        srcs = sources,
        compile_data = everything,
        deps = _differ(deps.libs + script, shipped_deps.libs + script),
        proc_macro_deps = _differ(deps.macros, shipped_deps.macros),
        aliases = dict(deps.aliases, **shipped_deps.aliases),
        rustc_env = env,
        **shared
    ))
    return "\n".join(out)

def _member(p, node, by_id, opt_levels):
    """What the macro `rust_crate` needs to know of one crate of the workspace."""
    m = {"dir": p.dir, "crate": p.lib["name"] if p.lib else p.name.replace("-", "_"), "has_lib": p.lib != None, "script": bool(p.script), "bins": p.bins, "tests": p.tests, "version": p.version, "edition": p.edition, "shipped_flags": _optimized(opt_levels, p.name)}
    for kind in ["normal", "build", "dev"]:
        d = _deps(node, by_id, [kind])
        m[kind] = {"deps": d.libs, "proc_macro_deps": d.macros, "aliases": d.aliases}
    return m

def _opt_levels(cargo_toml):
    """The crates that [profile.release] optimizes in a way of their own, one `package.NAME.opt-level = "LEVEL"` a line."""
    levels = {}
    for line in cargo_toml.split("\n"):
        name, found, level = line.strip().partition(".opt-level = ")
        if found and name.startswith("package."):
            levels[name.removeprefix("package.")] = level.strip('"')
    return levels

def _optimized(opt_levels, name):
    """Flags for a crate where programs ship."""
    level = opt_levels.get(name)
    return ["-Copt-level={}".format(level)] if level else []

def _lint_flags(cargo_toml):
    """[workspace.lints] as compiler flags: one source of truth for cargo and Bazel."""
    flags, prefix = [], None
    for line in cargo_toml.split("\n"):
        line = line.strip()
        if line.startswith("["):
            prefix = {"[workspace.lints.rust]": "", "[workspace.lints.clippy]": "clippy::"}.get(line)
        elif prefix != None and "=" in line and not line.startswith("#"):
            name, _, level = line.partition("=")
            flags.append("--{}={}{}".format(level.strip().strip('"'), prefix, name.strip()))
    return flags

def _member_dirs(cargo_toml):
    """The folders that [workspace] members lists, one quoted name a line."""
    dirs, inside = [], False
    for line in cargo_toml.split("\n"):
        line = line.strip()
        if line.startswith("members"):
            inside = True
        elif inside and line.startswith("]"):
            return dirs
        elif inside and line.startswith('"'):
            dirs.append(line.split('"')[1])
    fail("Cargo.toml: [workspace] members is to be a list with one folder a line")

def _without_dev_dependencies(rctx, root, dirs, cargo_toml):
    """`cargo metadata` of the same workspace with every [dev-dependencies] left out."""
    rctx.file("shipped/Cargo.toml", cargo_toml)
    rctx.file("shipped/Cargo.lock", rctx.read(root.get_child("Cargo.lock")))
    for d in dirs:
        manifest, keep = [], True
        for line in rctx.read(root.get_child(d).get_child("Cargo.toml")).split("\n"):
            if line.startswith("["):
                keep = not line.startswith("[dev-dependencies") and not line.startswith("[[test]]") and not line.startswith("[[bench]]")
            if keep:
                manifest.append(line)
        rctx.file("shipped/{}/Cargo.toml".format(d), "\n".join(manifest))
        for source in ["build.rs", "src/lib.rs", "src/main.rs"]:
            file = root.get_child(d)
            for part in source.split("/"):
                file = file.get_child(part)
            if file.exists:
                rctx.file("shipped/{}/{}".format(d, source), "")
        for path in [l.split('"')[1] for l in manifest if l.startswith("path = ")]:
            rctx.file("shipped/{}/{}".format(d, path), "")
    return json.decode(_run(rctx, ["cargo", "metadata", "--format-version=1", "--offline", "--filter-platform", _TRIPLE, "--manifest-path", "shipped/Cargo.toml"]))

def _impl(rctx):
    root = rctx.path(rctx.attr.cargo_toml).dirname
    cargo_toml = rctx.read(rctx.attr.cargo_toml)
    rctx.watch(rctx.attr.cargo_lock)
    dirs = _member_dirs(cargo_toml)
    for d in dirs:
        member = root.get_child(d)
        rctx.watch(member.get_child("Cargo.toml"))

        # cargo finds tests by their files.
        if member.get_child("tests").exists:
            rctx.watch_tree(member.get_child("tests"))
    manifest = str(root.get_child("Cargo.toml"))

    # rustup looks for it from the working directory upwards: without it, cargo is whatever the user's default is.
    rctx.symlink(rctx.attr.toolchain_file, "rust-toolchain.toml")
    rctx.report_progress("cargo vendor")
    _run(rctx, ["cargo", "vendor", "--quiet", "--locked", "--versioned-dirs", "--manifest-path", manifest, "vendor"])
    meta = json.decode(_run(rctx, ["cargo", "metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", _TRIPLE, "--manifest-path", manifest]))
    shipped_meta = _without_dev_dependencies(rctx, root, dirs, cargo_toml)
    by_id = _packages(rctx, meta, str(root))
    shipped_nodes = {n["id"]: n for n in shipped_meta["resolve"]["nodes"]}

    opt_levels = _opt_levels(cargo_toml)
    members, shipped_features = {}, {}
    for node in meta["resolve"]["nodes"]:
        p = by_id[node["id"]]
        if p.local:
            members[p.name] = _member(p, node, by_id, opt_levels)
            continue
        if p.lib == None:
            continue
        shipped = shipped_nodes.get(node["id"])
        if shipped:
            shipped_features["{}-{}".format(p.name, p.version)] = shipped["features"]
        for f in ["BUILD", "WORKSPACE", "WORKSPACE.bazel", "MODULE.bazel"]:
            rctx.delete(p.dir + "/" + f)
        rctx.file(p.dir + "/BUILD.bazel", _third_party_build(p, node, shipped, by_id, opt_levels))
    rctx.delete("shipped")
    rctx.file("shipped_features.json", json.encode_indent(shipped_features))
    rctx.file("BUILD.bazel", 'exports_files(["shipped_features.json"])\n')
    rctx.file("defs.bzl", "LINT_FLAGS = {}\n\nMEMBERS = {}\n".format(repr(_lint_flags(cargo_toml)), repr(members)))

cargo_crates = repository_rule(
    implementation = _impl,
    attrs = {
        "cargo_toml": attr.label(mandatory = True),
        "cargo_lock": attr.label(mandatory = True),
        "toolchain_file": attr.label(default = "//:rust-toolchain.toml"),
    },
    environ = ["PATH", "CARGO_HOME", "RUSTUP_HOME"],
)
