//! Starts the servers and clients of others, each as a process of its own.
