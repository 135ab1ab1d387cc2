"""The numbers in a body and in a message: see `body`, `packing` and `frame`."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    # Compiled, these are C constants: setup.py generates them from this file.

    # Kinds of bodies, and their flags.
    BODY_PICKLE = 1
    BODY_ITEMS = 2
    BODY_READONLY = 1
    IS_BUFFER = 0xFFFF_FFFF_FFFF_FFFF  # the start of a part that is a Buffer itself

    # Containers.
    NO_CONTAINER = 0
    IN_TUPLE = 1
    IN_LIST = 2
    IN_DICT = 3
    MOST_ITEMS = 255

    # Tags of items.
    ITEM_NONE = 0
    ITEM_FALSE = 1
    ITEM_TRUE = 2
    ITEM_INT = 3
    ITEM_FLOAT = 4
    ITEM_COMPLEX = 5
    ITEM_TEXT = 6
    ITEM_BYTES = 7
    ITEM_BYTEARRAY = 8
    ITEM_SAME = 9
    ITEM_BUFFER = 10
    ITEM_ARRAY = 11
    ITEM_VIEW = 12

    WORTH_COMPARING = 64  # shorter text and bytes are sent again if they occur again

    # Where the bytes of an array or a view are, and whether they may be stored to.
    IS_INLINE = 1
    IS_WRITABLE = 2
    MOST_SIDES = 32
    MOST_BYTES = 0x7FFF_FFFF_FFFF_FFFF  # of an array

    # Copying fewer bytes than this twice takes less time than sending a handle.
    SMALL = 4096

    # A frame.
    FRAME_VERSION = 2
    FRAME_OUTSIDE = 1
    FRAME_AT_CHECKSUM = 8
    FRAME_AT_BODY = 36
    TICKET_IN_FRAME = 12
