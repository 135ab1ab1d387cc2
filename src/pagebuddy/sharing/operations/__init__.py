"""Operations on an arena: each enters, does its work under the lock, and leaves.

enter            what every operation begins and ends with
buffers          allocating, joining, keeping, resizing, counting and listing buffers
dispatch         a whole operation, by its number
unlock_on_error  uncompiled: releasing the lock if an exception ends an operation
"""
