//! Where the module is, and what time a server says it is.

use crate::command::clock::{AskTimeServer, GetClock, SetTimeServer, TimeBearer};
use crate::command::location::{LocateByCells, LocateByWifi, Located, Position, meaning};
use crate::exchange::Failure;
use crate::modem::Modem;
use crate::urc::Urc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

/// The module gives a time server 5 s. Source: AT command manual, `CNTP`; three times that.
const TIME_WITHIN: Duration = Duration::from_secs(15);

/// What tells the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The cells around the module: some hundred metres, below a second.
    Cells,
    /// The wireless networks around it: some ten metres. Takes 10 to 25 s, in which nothing is published.
    Wifi,
}

/// Why a service did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The module refused, or failed.
    #[error(transparent)]
    Module(#[from] Failure),
    /// The location service did not know.
    #[error("{meaning} ({0})", meaning = meaning(*.0))]
    Location(u16),
    /// The time server did not answer: 61 network, 62 name, 63 connection, 64 server, 65 time-out.
    #[error("the time server did not answer ({0})")]
    Time(u16),
    /// Neither yes nor no in time.
    #[error("the module did not say whether the server answered")]
    Silent,
}

impl Modem {
    /// Asks the vendor's service where the module is.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn locate(&self, means: Means) -> Result<Position, ServiceError> {
        let _turn = self.http.lock().await;
        self.open_bearer().await?;
        let Located(place) = match means {
            Means::Cells => self.send(&LocateByCells).await?,
            Means::Wifi => self.send(&LocateByWifi).await?,
        };
        place.map_err(ServiceError::Location)
    }

    /// Asks a time server through the module: seconds since 1970. Sets the module's clock to UTC.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn ask_time(&self, server: &str) -> Result<u64, ServiceError> {
        let _turn = self.http.lock().await;
        self.open_bearer().await?;
        self.send(&TimeBearer).await?;
        self.send(&SetTimeServer { host: server, zone: 0 }).await?;
        let mut urcs = self.urcs();
        self.send(&AskTimeServer).await?;
        let told = async {
            loop {
                match urcs.recv().await {
                    Ok(Urc::TimeServer(1)) => return Ok(()),
                    Ok(Urc::TimeServer(code)) => return Err(ServiceError::Time(code)),
                    Ok(urc) if urc.is_reboot() => return Err(Failure::Rebooted.into()),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Err(Failure::PortLost.into()),
                }
            }
        };
        timeout(TIME_WITHIN, told).await.unwrap_or(Err(ServiceError::Silent))?;
        Ok(self.send(&GetClock).await?.0.unix_s)
    }
}
