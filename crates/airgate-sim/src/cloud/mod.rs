//! The stand-in cloud: a real MQTT broker that signs devices in as the Aliyun IoT Platform does.
