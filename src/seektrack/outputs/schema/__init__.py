"""The Protobuf schema of tracks, and what protoc made of it."""
