//! Topics of a device: the custom ones lie below `/{product key}/{device name}/`.

use super::{Aliyun, LIMITS};
use crate::{TopicError, is_absolute};

/// Slashes that a custom topic may have. System topics are deeper and not counted.
/// Source: Alibaba Cloud IoT Platform documentation, "Limits": topic levels.
const MAX_SLASHES: usize = 7;

impl Aliyun {
    pub(crate) fn expand(&self, topic: &str) -> Result<String, TopicError> {
        if topic.is_empty() {
            return Err(TopicError::Empty);
        }
        let long = if is_absolute(topic) { topic.to_owned() } else { format!("{}{topic}", self.prefix) };
        if long.len() > LIMITS.topic_bytes {
            return Err(TopicError::TooLong { length: long.len(), limit: LIMITS.topic_bytes });
        }
        let slashes = long.bytes().filter(|b| *b == b'/').count();
        if slashes > MAX_SLASHES && long.starts_with(&self.prefix) {
            return Err(TopicError::TooDeep { slashes, limit: MAX_SLASHES });
        }
        Ok(long)
    }

    pub(crate) fn shorten<'a>(&self, topic: &'a str) -> &'a str {
        match topic.strip_prefix(&self.prefix) {
            Some(rest) if !rest.is_empty() && !is_absolute(rest) => rest,
            _ => topic,
        }
    }

    pub(super) fn inform_topic(&self) -> String {
        format!("/ota/device/inform/{}/{}", self.config.product_key, self.config.device_name)
    }

    pub(super) fn upgrade_topic(&self) -> String {
        format!("/ota/device/upgrade/{}/{}", self.config.product_key, self.config.device_name)
    }
}
