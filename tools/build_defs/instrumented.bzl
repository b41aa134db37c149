"""Programs that tell which of our own code ran, as libFuzzer asks (LLVM's SanitizerCoverage)."""

_FLAG = "@rules_rust//rust/settings:experimental_per_crate_rustc_flag"

# What is looked at: sources of ours, not of others.
_OURS = ["common/", "injector/", "proxy/", "tools/fuzz/"]

_COVERAGE = ["-Cpasses=sancov-module"] + ["-Cllvm-args=-sanitizer-coverage-" + name for name in [
    "level=4",
    "inline-8bit-counters",
    "pc-table",
    "trace-compares",
]]

def _coverage_impl(_settings, _attr):
    return {_FLAG: ["{}@{}".format(place, flag) for place in _OURS for flag in _COVERAGE]}

_coverage = transition(
    implementation = _coverage_impl,
    inputs = [],
    outputs = [_FLAG],
)

def _impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name)

    # A rule with a transition has lists of its targets.
    binary = ctx.attr.binary[0][DefaultInfo]
    ctx.actions.symlink(output = program, target_file = binary.files_to_run.executable, is_executable = True)
    return [DefaultInfo(executable = program, files = depset([program]), runfiles = binary.default_runfiles)]

instrumented_binary = rule(
    implementation = _impl,
    attrs = {
        "binary": attr.label(cfg = _coverage, mandatory = True, executable = True, doc = "the program"),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
    executable = True,
)
