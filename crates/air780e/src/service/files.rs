//! Files in the module: a certificate is written once, under a name that tells its content.

use crate::command::ssl::{CreateFile, GetFileSize, WriteFile};
use crate::exchange::Failure;
use crate::modem::Modem;
use crate::session::Roots;

impl Modem {
    /// Makes sure that the file of these roots is in the module. A file of the right name and size is the right one,
    /// because other content has another name.
    pub(crate) async fn put_roots(&self, roots: &Roots) -> Result<(), Failure> {
        match self.send(&GetFileSize { name: &roots.name }).await {
            Ok(file) if file.size == roots.pem.len() => return Ok(()),
            Ok(_) | Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure),
        }
        match self.send(&CreateFile { name: &roots.name }).await {
            // It is there, of another size: it is overwritten.
            Ok(_) | Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure),
        }
        self.send(&WriteFile { name: &roots.name, content: roots.pem.clone() }).await.map(drop)
    }
}
