//! Profiles as text: a name, and behind it single answers that differ, `780e-v1161,cache_mode=true,attach=500`.
//!
//! Times are milliseconds, names of choices are in small letters (`nitz=empty_dst`), what may be missing is `null`.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::profile::Profile;

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let known = match name {
            "780e-v1161" => Self::v1161(),
            "780e-v1169" => Self::v1169(),
            "780ep" => Self::ep(),
            "nasty" => Self::nasty(),
            _ => return Err(format!("unknown profile {name:?}: use 780e-v1161, 780e-v1169, 780ep or nasty")),
        };
        let mut answers = object(&known)?;
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is no answer: write KEY=VALUE"))?;
            let Some(place) = answers.get_mut(key) else {
                let keys: Vec<&str> = answers.keys().map(String::as_str).collect();
                return Err(format!("a profile has no {key:?}: use one of {}", keys.join(", ")));
            };
            *place = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            serde_json::from_value::<Self>(Value::Object(answers.clone()))
                .map_err(|error| format!("{part:?}: {error}"))?;
        }
        serde_json::from_value(Value::Object(answers)).map_err(|error| error.to_string())
    }
}

fn object(profile: &Profile) -> Result<Map<String, Value>, String> {
    match serde_json::to_value(profile).map_err(|error| error.to_string())? {
        Value::Object(object) => Ok(object),
        other => Err(format!("a profile is an object, not {other}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::modem::profile::Nitz;

    #[test]
    fn each_answer_of_a_profile_can_be_switched() {
        let text = "780e-v1161,cache_mode=true,attach=500,second_rdy=740,nitz=empty_dst,model=Air780EG,tear=null";
        let profile: Profile = text.parse().unwrap();
        let expected = Profile {
            cache_mode: true,
            attach: Duration::from_millis(500),
            second_rdy: Some(Duration::from_millis(740)),
            nitz: Nitz::EmptyDst,
            model: "Air780EG".into(),
            tear: None,
            ..Profile::v1161()
        };
        assert_eq!(profile, expected);
    }

    #[test]
    fn named_profiles_read_as_they_are() {
        for (name, profile) in [("780e-v1169", Profile::v1169()), ("780ep", Profile::ep()), ("nasty", Profile::nasty())]
        {
            assert_eq!(name.parse::<Profile>().unwrap(), profile);
        }
    }

    #[test]
    fn answer_that_is_none_is_named_with_what_may_stand_there() {
        let error = |text: &str| text.parse::<Profile>().unwrap_err();
        assert!(error("780g").contains("use 780e-v1161"));
        assert!(error("nasty,x=1").contains("cache_mode"));
        assert!(error("nasty,nitz=never").contains("empty_dst"));
        assert!(error("nasty,cache_mode=2").contains("cache_mode=2"));
        assert!(error("nasty,cache_mode").contains("KEY=VALUE"));
    }
}
