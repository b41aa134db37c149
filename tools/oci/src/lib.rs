//! Container images without a container daemon.
//!
//! [`write`] makes one tar that is an OCI image layout (image-spec v1.1) and a `docker load` archive
//! at once, byte for byte the same for the same input; [`archive`] reads such tars, and those that
//! `skopeo copy ... oci-archive:` and `docker save` make, and unpacks their file system.

pub mod archive;
pub mod digest;
pub mod layer;
pub mod write;
