"""Apache Kafka. How a server of it comes to be needs no client library; `prism_backends.kafka.backend` is what tests are run on."""
