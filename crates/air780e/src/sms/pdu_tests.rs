//! Messages from the literature and from the other side of the codec.

use super::*;
use proptest::prelude::*;

/// Turns a message that was made for sending into the same message as it is received.
fn received(pdu: &Pdu) -> Vec<u8> {
    let octets = from_hex(pdu.hex.as_bytes()).unwrap();
    // 00, first octet, reference, address, protocol, scheme, length, text.
    let address = 2 + usize::from(octets[3]).div_ceil(2);
    let (head, rest) = (octets[1] & 0x40, &octets[3..]);
    let (address, rest) = rest.split_at(address);
    let mut out = vec![0, head];
    out.extend_from_slice(address);
    out.extend_from_slice(&rest[..2]);
    out.extend_from_slice(&[0x42, 0x70, 0x71, 0x90, 0x94, 0x95, 0x23]);
    out.extend_from_slice(&rest[2..]);
    out.iter().map(|octet| format!("{octet:02X}")).collect::<String>().into_bytes()
}

#[test]
fn a_message_from_the_literature_is_read() {
    let hex = b"07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
    let sms = deliver(hex).unwrap();
    assert_eq!((sms.from.as_str(), sms.text.as_str()), ("+31641600986", "How are you?"));
    assert_eq!(sms.sent_unix_s, Some(1_030_390_661), "2002-08-26 19:37:41, zone 0");
    assert_eq!(sms.part, None);
}

#[test]
fn a_sender_with_a_name_is_read() {
    let name: Vec<u8> = "Airgate".chars().flat_map(|c| gsm7::septets(c).unwrap()).collect();
    let name: String = gsm7::pack(&name, 0).iter().map(|octet| format!("{octet:02X}")).collect();
    let sms = deliver(format!("00040DD0{name}00084270719094952304{}", "4F60597D").as_bytes()).unwrap();
    assert_eq!((sms.from.as_str(), sms.text.as_str()), ("Airgate", "你好"));
    assert_eq!(sms.sent_unix_s, Some(1_721_180_999), "2024-07-17 09:49:59 at +8 hours");
}

#[test]
fn a_short_text_goes_as_one_message_in_seven_bits() {
    let pdus = submit("+31641600986", "How are you?", 7, 4).unwrap();
    assert_eq!(pdus.len(), 1);
    assert_eq!(pdus[0].hex, "0001000B911346610089F600000CC8F71D14969741F977FD07");
    assert_eq!(pdus[0].octets, pdus[0].hex.len() / 2 - 1, "the service centre is not counted");
}

#[test]
fn a_long_text_goes_in_numbered_parts_and_not_beyond_the_limit() {
    assert_eq!(submit("1", &"a".repeat(160), 7, 4).unwrap().len(), 1);
    assert_eq!(submit("1", &"a".repeat(161), 7, 4).unwrap().len(), 2);
    assert_eq!(submit("1", &"中".repeat(70), 7, 4).unwrap().len(), 1);
    assert_eq!(submit("1", &"中".repeat(71), 7, 4).unwrap().len(), 2);
    assert_eq!(submit("1", &"a".repeat(153 * 4), 7, 4).unwrap().len(), 4);
    assert_eq!(submit("1", &"a".repeat(153 * 4 + 1), 7, 4), None);
}

#[test]
fn what_is_no_message_is_told_apart() {
    assert_eq!(deliver(b"0"), Err(BadPdu::Hex));
    assert_eq!(deliver(b"zz"), Err(BadPdu::Hex));
    assert_eq!(deliver(b""), Err(BadPdu::Short));
    assert_eq!(deliver(b"0006"), Err(BadPdu::Kind), "a report");
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_received(text in prop_oneof!["[ -_a-z€]{0,400}", "\\PC{0,150}"], reference: u8) {
        let pdus = submit("+8613800000000", &text, reference, 10).unwrap();
        let mut whole = String::new();
        for (n, pdu) in pdus.iter().enumerate() {
            prop_assert!(pdu.octets <= 164);
            let sms = deliver(&received(pdu)).unwrap();
            prop_assert_eq!(&sms.from, "+8613800000000");
            let part = Part { reference: reference.into(), total: pdus.len() as u8, number: n as u8 + 1 };
            prop_assert_eq!(sms.part, (pdus.len() > 1).then_some(part));
            whole += &sms.text;
        }
        prop_assert_eq!(whole, text);
    }

    #[test]
    fn no_pdu_panics(octets in proptest::collection::vec(any::<u8>(), 0..200), first in 0_u8..0x80) {
        let mut octets = octets;
        if octets.len() > 1 {
            octets[0] = 0;
            octets[1] = first & 0x7c;
        }
        let hex: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        let _ = deliver(hex.as_bytes());
    }
}
