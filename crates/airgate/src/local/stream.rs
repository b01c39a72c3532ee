//! A program's socket: watched for what the program says, and for room to write only while there is none.
//!
//! A socket that is watched for both wakes the daemon a second time for each thing said, when the program has read it: with
//! many subscribers that is as much work as telling them.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// What the program says.
pub(super) struct Hearing {
    socket: Arc<AsyncFd<UnixStream>>,
}

/// What the program is told.
pub(super) struct Telling {
    socket: Arc<AsyncFd<UnixStream>>,
    /// The same socket watched for room, while what was to be written did not fit.
    full: Option<AsyncFd<UnixStream>>,
}

/// Both directions of a connection.
///
/// # Errors
/// What the system says of watching one more descriptor.
pub(super) fn split(stream: tokio::net::UnixStream) -> io::Result<(Hearing, Telling)> {
    let socket = Arc::new(watched(stream.into_std()?, Interest::READABLE)?);
    Ok((Hearing { socket: Arc::clone(&socket) }, Telling { socket, full: None }))
}

#[expect(
    deprecated,
    reason = "what takes its place is unsafe, for descriptors that may change or close; a `UnixStream` keeps its own"
)]
fn watched(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(socket, interest)
}

impl AsyncRead for Hearing {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.socket.poll_read_ready(cx))?;
            let (room, input) = (buf.remaining(), buf.initialize_unfilled());
            if let Ok(read) = guard.try_io(|socket| socket.get_ref().read(input)) {
                let len = read?;
                // All that was there has been read. Source: epoll(7), questions and answers.
                if len > 0 && len < room {
                    guard.clear_ready();
                }
                buf.advance(len);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Telling {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let written = match &self.full {
                None => self.socket.get_ref().write(buf),
                Some(full) => match ready!(full.poll_write_ready(cx))?.try_io(|socket| socket.get_ref().write(buf)) {
                    Ok(written) => written,
                    Err(_still_full) => continue,
                },
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let again = self.socket.get_ref().try_clone()?;
                    self.full = Some(watched(again, Interest::WRITABLE)?);
                }
                Ok(len) if len == buf.len() => {
                    self.full = None;
                    return Poll::Ready(Ok(len));
                }
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(std::net::Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_does_not_fit_waits_until_the_program_has_read() {
        let (ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
        let (_hearing, mut telling) = split(ours).unwrap();
        let sent: Vec<u8> = (0..4_000_000u32).map(|at| (at % 251) as u8).collect();
        let reading = async {
            let mut read = vec![0; sent.len()];
            theirs.read_exact(&mut read).await.unwrap();
            read
        };
        let (written, read) = tokio::join!(telling.write_all(&sent), reading);
        written.unwrap();
        assert!(read == sent);
        assert!(telling.full.is_none(), "watched no longer");
        telling.write_all(b"more").await.unwrap();
        theirs.read_exact(&mut [0; 4]).await.unwrap();
    }

    #[tokio::test]
    async fn all_is_heard_up_to_the_end_whatever_is_read_at_once() {
        for chunk in [1, 3, 4096] {
            let (ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
            let (mut hearing, _telling) = split(ours).unwrap();
            let said: Vec<u8> = (0..9000u32).map(|at| (at % 251) as u8).collect();
            let saying = async {
                for part in said.chunks(1000) {
                    theirs.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(theirs);
            };
            let hearing = async {
                let (mut heard, mut input) = (Vec::new(), vec![0; chunk]);
                loop {
                    match hearing.read(&mut input).await.unwrap() {
                        0 => return heard,
                        len => heard.extend_from_slice(&input[..len]),
                    }
                }
            };
            let ((), heard) = tokio::join!(saying, hearing);
            assert!(heard == said, "{chunk} at once");
        }
    }

    #[tokio::test]
    async fn who_has_gone_is_an_error_also_while_waiting_for_room() {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let (_hearing, mut telling) = split(ours).unwrap();
        let chunk = vec![0; 1 << 20];
        let going = async {
            tokio::task::yield_now().await;
            drop(theirs);
        };
        let (told, ()) = tokio::join!(telling.write_all(&chunk), going);
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
