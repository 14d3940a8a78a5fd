//! The providers that a server offers, by name. It holds them and never decides which one a caller may use.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use super::provider::Provider;

/// Providers by name, in the order of their names.
#[derive(Clone, Default)]
pub struct ProviderRegistry {
    providers: BTreeMap<String, Arc<dyn Provider>>,
}

impl ProviderRegistry {
    /// A registry without providers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a provider under its own name, in place of an earlier one of that name.
    pub fn insert(&mut self, provider: Arc<dyn Provider>) {
        self.providers.insert(provider.name().to_owned(), provider);
    }

    /// The provider of that name; the error lists the names there are, for whoever wrote the configuration.
    pub fn find(&self, name: &str) -> Result<Arc<dyn Provider>, UnknownProvider> {
        self.providers.get(name).cloned().ok_or_else(|| UnknownProvider {
            name: name.to_owned(),
            known: self.names().map(str::to_owned).collect(),
        })
    }

    /// The names of all providers, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }
}

/// The configuration names a provider that this server doesn't have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no AI provider is called {name:?}; there are: {}", known.join(", "))]
pub struct UnknownProvider {
    /// The name that was asked for.
    pub name: String,
    /// The names there are, sorted.
    pub known: Vec<String>,
}
