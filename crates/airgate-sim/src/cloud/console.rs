//! The console: a Unix socket on which a test looks into the platform and moves it. One JSON object a line, answered
//! by one line: `{"ok":true,…}` or `{"ok":false,"error":"…"}`. The calls are listed in the header of `cloud`.

use super::calls;
use super::shared::Shared;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::codec::{Framed, LinesCodec};

/// The longest line: the largest payload in base64 and everything around it.
const MAX_LINE: usize = 512 * 1024;

/// The socket's file, removed in the end.
#[derive(Debug)]
pub(crate) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Nothing can be done about a file that somebody else removed first.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Opens the socket. One that a dead process left behind is replaced; one that answers is not.
pub(crate) fn bind(path: &Path) -> std::io::Result<(UnixListener, Socket)> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let abandoned = std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
            let is_socket = std::fs::symlink_metadata(path)
                .is_ok_and(|meta| std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type()));
            if !(abandoned && is_socket) {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    Ok((listener, Socket(path.to_owned())))
}

/// Serves the console until the end.
pub(super) async fn listen(shared: Arc<Shared>, listener: UnixListener) {
    while let Some(accepted) = shared.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let task = Arc::clone(&shared);
                shared.tasks.spawn(async move { task.stop.run_until_cancelled(serve(&task, stream)).await });
            }
            Err(error) => return tracing::warn!(%error, "the console is closed"),
        }
    }
}

async fn serve(shared: &Shared, stream: UnixStream) {
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(MAX_LINE));
    while let Some(line) = lines.next().await {
        let answer = match &line {
            Ok(line) => calls::answer(shared, line).await,
            Err(error) => Err(error.to_string()),
        };
        let answer = answer.unwrap_or_else(|error| json!({"ok": false, "error": error}));
        // After a line that is too long, or not text, there is no telling where the next begins.
        if lines.send(answer.to_string()).await.is_err() || line.is_err() {
            return;
        }
    }
}
