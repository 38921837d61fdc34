"""What is done to a database and a store on a schedule. `depthcast.store.maintain` does all of it."""
