"""What fork does to attachments: the child gets a slot of its own before it runs."""
