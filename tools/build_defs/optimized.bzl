"""Programs that are optimized whatever the rest of the build is: what ships, and what is measured."""

def _opt_impl(_settings, _attr):
    return {"//command_line_option:compilation_mode": "opt"}

optimized = transition(
    implementation = _opt_impl,
    inputs = [],
    outputs = ["//command_line_option:compilation_mode"],
)

def program_impl(ctx):
    """One program of another configuration under a name of its own, with what it finds when it runs."""
    program = ctx.actions.declare_file(ctx.label.name)

    # A rule with a transition has lists of its targets.
    binary = ctx.attr.binary[0][DefaultInfo]
    ctx.actions.symlink(output = program, target_file = binary.files_to_run.executable, is_executable = True)
    runfiles = ctx.runfiles([program], transitive_files = depset(transitive = [d[DefaultInfo].files for d in ctx.attr.data]))
    runfiles = runfiles.merge_all([binary.default_runfiles] + [d[DefaultInfo].default_runfiles for d in ctx.attr.data])
    return [DefaultInfo(executable = program, files = depset([program]), runfiles = runfiles)]

def program_attrs(cfg):
    """The attributes that program_impl reads; cfg is the transition to the program's configuration."""
    return {
        "binary": attr.label(cfg = cfg, mandatory = True, executable = True, doc = "the program"),
        "data": attr.label_list(cfg = cfg, allow_files = True, doc = "what it finds when it runs, of the same configuration"),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    }

optimized_binary = rule(
    implementation = program_impl,
    attrs = program_attrs(optimized),
    executable = True,
)

def _test_impl(ctx):
    return program_impl(ctx) + [RunEnvironmentInfo(environment = ctx.attr.env)]

# A test that asks for more than a debug build does in its time.
optimized_test = rule(
    implementation = _test_impl,
    attrs = dict(program_attrs(optimized), env = attr.string_dict(doc = "how much is asked of it")),
    test = True,
)
