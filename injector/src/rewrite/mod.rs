//! What is done to the pod that the user wrote: merging, the user's own settings of the proxy's
//! container, probes, metrics, order, and the record of it all.

pub(crate) mod earlier;
pub(crate) mod merge;
pub(crate) mod order;
pub(crate) mod overrides;
pub(crate) mod probes;
pub(crate) mod prometheus;
pub(crate) mod status;
