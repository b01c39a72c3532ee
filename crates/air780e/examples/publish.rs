//! Publishes one message and waits for its acknowledgement.
//!
//!     cargo run -p air780e --example publish -- /dev/ttyAMA0 broker.example:1883 topic 'text'

use air780e::session::{Desired, Session};
use air780e::{Config, Event, Modem, Publication};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, broker, topic, text] = args.as_slice() else { return Err("publish PORT HOST:PORT TOPIC TEXT".into()) };
    let (host, broker_port) = broker.rsplit_once(':').ok_or("the broker is HOST:PORT")?;
    let (modem, mut events) = Modem::start(Config::new(port.clone()));
    let session = Session::new(1, host, broker_port.parse()?, format!("air780e-{}", std::process::id()));
    session.check()?;
    modem.want(Desired { session: Some(Arc::new(session)), ..Desired::default() });
    loop {
        match events.recv().await.ok_or("the driver ended")? {
            Event::Online(_) => break,
            Event::Offline(_, why) => return Err(why.into()),
            Event::Identified(module) => println!("{} {} {}", module.model, module.firmware, module.imei),
            _ => {}
        }
    }
    let payload = text.clone().into();
    modem.publish(Publication { topic: topic.clone(), payload, qos: 1, retain: false }).await?;
    println!("acknowledged");
    Ok(())
}
