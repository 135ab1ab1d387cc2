"""Operations on an arena: each enters, does its work under the lock, and leaves."""
