//! One server process: everything put together, listening, and leaving in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared as SharedFuture;
use staywire::wire::control::History;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::bus::Bus;
use crate::bus::memory::{DedupBounds, HistoryBounds, MemoryBus, StoreBounds};
use crate::config::{AiConfig, Config, ConfigError};
use crate::conversation::GOODBYE;
use crate::gateway::{Gate, GateError};
use crate::hub::Hub;
use crate::listener::{Impatient, Peer};
use crate::services::AllServices;
use crate::services::ai::{
    AiService, AnthropicProvider, CorpusError, OfflineProvider, OpenAiProvider, ProviderRegistry,
    UnknownProvider,
};
use crate::services::dashboards::Dashboards;
use crate::services::generation::PreviewStore;
use crate::services::tasks::{AnswerKind, Kind, Tasks};
use crate::session::{AwayPlaces, Shared};
use crate::time::unix_ms;

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration can't work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no way to tell who may come in.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The configured AI provider doesn't exist.
    #[error(transparent)]
    Provider(#[from] UnknownProvider),
    /// The corpus of the built-in provider can't be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The address can't be listened on.
    #[error("can't listen on {address}: {error}; is another server running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        error: std::io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// How connections are told to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everybody is welcome.
    Open,
    /// Each connection is told to make another within `window_ms`.
    Draining { window_ms: u64 },
    /// Whoever is left is closed.
    Closing,
}

/// What every connection and route of a server shares.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sessions: Arc<Shared>,
    pub(crate) bus: Arc<MemoryBus>,
    pub(crate) services: Arc<AllServices>,
    pub(crate) ai: Arc<AiService>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) previews: Arc<PreviewStore>,
    pub(crate) dashboards: Arc<Dashboards>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) started_ms: u64,
}

/// A server that is listening. Dropping it doesn't stop it: [`Server::shut_down`] does.
#[derive(Clone)]
pub struct Server {
    address: SocketAddr,
    parts: Arc<Parts>,
    served: SharedFuture<futures_util::future::BoxFuture<'static, ()>>,
}

impl Server {
    /// Listens and serves on this runtime, over a store of its own in memory. Dropping the future
    /// serves nobody.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let store = format!("{:016x}", getrandom::u64()?);
        let history = HistoryBounds {
            events: config.history.events_per_room,
            bytes: config.history.bytes_per_room,
            max_age_ms: config.history.max_age_ms,
        };
        let dedup = DedupBounds {
            entries: config.dedup.entries_per_producer,
            max_age_ms: config.dedup.max_age_ms,
        };
        let bounds = StoreBounds {
            rooms: config.history.max_rooms,
            bytes: config.history.max_bytes,
            producers: config.dedup.max_producers,
        };
        let bus = MemoryBus::bounded(&store, history, dedup, bounds);
        Self::start_on(config, Arc::new(bus)).await
    }

    /// Listens and serves over a store that other servers of this process may share.
    pub async fn start_on(config: Config, bus: Arc<MemoryBus>) -> Result<Self, StartError> {
        Self::start_with(config, bus, Vec::new()).await
    }

    /// The same, with further kinds of tasks.
    pub async fn start_with(
        config: Config,
        bus: Arc<MemoryBus>,
        mut kinds: Vec<Arc<dyn Kind>>,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let gate = Arc::new(Gate::new(&config)?);
        let history = History {
            max_events: config.history.events_per_room as u64,
            max_age_ms: config.history.max_age_ms,
        };
        let hub = Arc::new(Hub::new(bus.clone() as Arc<dyn Bus>, history));
        let provider = providers(&config.ai)?.find(&config.ai.provider)?;
        kinds.push(Arc::new(AnswerKind::new(provider.clone())));
        let ai = Arc::new(AiService::new(hub.clone(), provider, config.ai.clone()));
        let places = gate.places().clone();
        let services = AllServices::new(hub.clone(), ai.clone(), kinds, places, &config);
        let (tasks, previews) = (services.tasks().clone(), services.previews().clone());
        let dashboards = services.dashboards().clone();
        let services = Arc::new(services);
        let sessions = Arc::new(Shared {
            hub,
            services: services.clone(),
            limits: config.limits.clone(),
            heartbeat: config.heartbeat.clone(),
            dedup: config.dedup.clone(),
            away: AwayPlaces::new(config.socketio.away_ms),
        });
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| StartError::Listen { address: config.listen, error })?;
        let address = listener
            .local_addr()
            .map_err(|error| StartError::Listen { address: config.listen, error })?;
        let parts = Arc::new(Parts {
            gate,
            sessions,
            bus,
            services,
            ai,
            tasks,
            previews,
            dashboards,
            phase: watch::Sender::new(Phase::Open),
            started_ms: unix_ms(),
            config,
        });
        // From the start, or what happens before the first look at the figures is in none.
        if crate::http::recorder().is_none() {
            tracing::warn!("another part of this program keeps the figures; /metrics has none");
        }
        let housekeeping = tokio::spawn(keep_house(parts.clone()));
        let app = crate::http::router(parts.clone());
        let mut closing = parts.phase.subscribe();
        let listener = Impatient::new(listener, patience(&parts.config));
        let served = async move {
            let service = app.into_make_service_with_connect_info::<Peer>();
            let serve = axum::serve(listener, service).with_graceful_shutdown(async move {
                let _ = closing.wait_for(|phase| *phase == Phase::Closing).await;
            });
            if let Err(error) = serve.await {
                tracing::error!(%error, "serving ended");
            }
            housekeeping.abort();
        };
        let served = tokio::spawn(served).map(drop).boxed().shared();
        Ok(Self { address, parts, served })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.parts.gate.places().connections()
    }

    /// The rooms, for services of the embedding program.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.parts.sessions.hub
    }

    /// The pages of generations, for the embedding program to show or to hold.
    pub fn previews(&self) -> &Arc<PreviewStore> {
        &self.parts.previews
    }

    /// The gate, to issue tokens in a demonstration or a test.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.parts.gate
    }

    /// Takes leave of every client: no new ones, each old one is told a moment of its own within
    /// `window_ms` to connect elsewhere. No new tasks; those there are go on. Returns when all
    /// clients have gone and all tasks have ended, or the configured grace after the window has
    /// passed. Idempotent; dropping the future doesn't let anybody in again.
    pub async fn drain(&self) {
        let drain = &self.parts.config.drain;
        self.parts.tasks.drain(drain.window_ms.saturating_add(drain.grace_ms));
        self.parts.gate.drain(drain.window_ms.saturating_add(drain.grace_ms));
        self.parts.phase.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Draining { window_ms: drain.window_ms };
            }
            open
        });
        let patience = Duration::from_millis(drain.window_ms.saturating_add(drain.grace_ms));
        let left = futures_util::future::join(self.emptied(), self.parts.tasks.idle());
        let _ = tokio::time::timeout(patience, left).await;
    }

    /// Drains, closes what is left, and returns when the port is free. Idempotent; a future that is
    /// dropped while it drains leaves the rest to another call of this or of [`Server::stop`].
    pub async fn shut_down(&self) {
        self.drain().await;
        self.stop().await;
    }

    /// Cancels every task and closes every connection now, and returns when the port is free and
    /// they are gone. Idempotent; a future that is dropped leaves the rest to another call.
    pub async fn stop(&self) {
        // Before the connections, so that whoever is there still hears of it.
        self.parts.tasks.stop().await;
        self.parts.phase.send_replace(Phase::Closing);
        self.served.clone().await;
        // The process may end with this: whoever still reads is told why before.
        let _ = tokio::time::timeout(GOODBYE * 2, self.emptied()).await;
    }

    async fn emptied(&self) {
        let places = self.parts.gate.places();
        while places.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How long a peer may take nothing: as long as any may be silent.
fn patience(config: &Config) -> Duration {
    let Config { heartbeat, socketio, .. } = config;
    let native = heartbeat.interval_ms.saturating_add(heartbeat.timeout_ms);
    let socketio = socketio.ping_interval_ms.saturating_add(socketio.ping_timeout_ms);
    Duration::from_millis(native.max(socketio))
}

/// The built-in provider, and the one that was chosen: any other would ask for a key in vain.
fn providers(config: &AiConfig) -> Result<ProviderRegistry, StartError> {
    let mut providers = ProviderRegistry::new();
    providers.insert(Arc::new(OfflineProvider::new(config.offline)?));
    match config.provider.as_str() {
        OpenAiProvider::NAME => {
            providers.insert(Arc::new(OpenAiProvider::new(config.openai.clone())?));
        }
        AnthropicProvider::NAME => {
            providers.insert(Arc::new(AnthropicProvider::new(config.anthropic.clone())?));
        }
        _ => {}
    }
    Ok(providers)
}

/// What has to be done from time to time.
async fn keep_house(parts: Arc<Parts>) {
    const TIPS: Duration = Duration::from_secs(10);
    const SWEEPS_PER_TIPS: u32 = 6;
    let mut ticks = tokio::time::interval(TIPS);
    let mut round: u32 = 0;
    loop {
        ticks.tick().await;
        let now_ms = unix_ms();
        if let Err(error) = parts.sessions.hub.compare_tips(now_ms).await {
            tracing::warn!(%error, "tips could not be compared");
        }
        if round.is_multiple_of(SWEEPS_PER_TIPS) {
            parts.bus.sweep(now_ms);
            parts.gate.clean();
            parts.tasks.sweep(now_ms);
            parts.sessions.away.sweep(now_ms);
        }
        round = round.wrapping_add(1);
    }
}
