use crate::{Batch, Error};
pub(crate) fn apply(_batch: &Batch) -> Result<(), Error> {
    Err(Error::Answer("not yet"))
}
