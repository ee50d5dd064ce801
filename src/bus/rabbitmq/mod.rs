//! The bus on RabbitMQ.
