//! Which host of a cluster takes a request, which hosts are left alone for a while, and whether a failed request is
//! tried again. Time and randomness come in as arguments; nothing here is shared between workers.
//!
//! A host is its place in one flat list: the hosts of all priorities of [`graph::endpoint::Endpoints`], in order.
