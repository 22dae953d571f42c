"""What commands do beside running a spec: listing, planning ahead, trying, predicting, starting, testing."""
