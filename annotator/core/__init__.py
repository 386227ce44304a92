"""What every layer speaks: domain types, contracts, process lifetimes, containers, membership, attribution."""
