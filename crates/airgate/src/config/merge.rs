//! Lays the sources over each other with the `config` crate.

use config::{ConfigError as MergeError, Map, Source, Value};

use super::raw::Raw;

/// One source: a tree of checked values under agreed names.
#[derive(Debug, Clone)]
pub(super) struct Layer(pub(super) Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, MergeError> {
        Ok(self.0.clone())
    }
}

/// Merges layers; a later one wins, key by key.
pub(super) fn merge(layers: Vec<Layer>) -> Result<Raw, MergeError> {
    let mut builder = config::Config::builder();
    for layer in layers {
        builder = builder.add_source(layer);
    }
    builder.build()?.try_deserialize()
}
