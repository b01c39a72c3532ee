//! The stand-in cloud from outside: over TCP, TLS and the console.

#[cfg(test)]
mod client;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod console;
#[cfg(test)]
mod http;
#[cfg(test)]
mod ota;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod services;
#[cfg(test)]
mod sign_in;
