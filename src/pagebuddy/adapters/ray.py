"""ray: a tensor transport, by which actors on one host pass arrays through an arena.

What an actor returns is sent as handles: its arrays stay in the arena, or are copied into it once.
Receivers that use another arena, on another host, get the bytes through Ray's object store. The handles
of an object end when Ray frees it, or after the process that made it.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from glob import glob
from importlib.util import find_spec
from shutil import disk_usage
from typing import Any

from pagebuddy.arena.arena import Arena
from pagebuddy.arena.fallbacks import Fallbacks
from pagebuddy.exchange.dumping import pickled
from pagebuddy.exchange.finder import Finder
from pagebuddy.memory.named import FOLDER, path_of
from pagebuddy.sharing.system.lease import N_LEASES, any_is_taken, attaching
from pagebuddy.sharing.words import ANY_CLAIMS, OP_REAP, OP_REAP_TICKETS, TIED

try:
    import numpy as np
    import ray

    if tuple(map(int, ray.__version__.split(".")[:2])) < (2, 60):
        raise ImportError("it is too old")
    from ray._private import ray_constants, serialization
    from ray.cloudpickle import CloudPickler
    from ray.exceptions import RayDirectTransportError, RayError
    from ray.experimental import register_tensor_transport
    from ray.experimental.rdt import tensor_transport_manager as rdt
    from ray.experimental.rdt.util import get_tensor_transport_manager, transport_manager_info
except ImportError as error:
    # The interface is an alpha: a later version may have another.
    version = getattr(sys.modules.get("ray"), "__version__", "not installed")
    raise ImportError(
        f"pagebuddy.adapters.ray supports ray 2.60 and later; ray is {version}: {error}; install it "
        "with: pip install 'pagebuddy[ray]'"
    ) from error

__all__ = ["arena", "fallbacks", "register"]

fallbacks = Fallbacks("pagebuddy.adapters.ray")
"""How often Ray's object store was used instead in this process, by reason."""

# The names of the transports of numpy arrays and of torch tensors: Ray has one type for each.
FOR_ARRAYS = "PAGEBUDDY"
FOR_TENSORS = "PAGEBUDDY_TORCH"

# One more than how many processes can use a default arena at the same time.
_SLOTS = 240
_PREFIX = "pagebuddy-ray-"
# So that the handles of actors that died can be ended at once, instead of after a minute.
_GROUP = 0x7261
# Longer messages, of many small arrays, are put in the arena.
_MOST_BYTES = 16384


# -- arenas --------------------------------------------------------------------------------------

# By name.
_arenas: dict[str, Arena] = {}
# Those of the jobs of this process, if it is a driver. They end with it.
_of_own_jobs: set[str] = set()


def register(arena: str | None = None, *, readonly: bool = True) -> None:
    """Register the tensor transport "PAGEBUDDY" with Ray, and "PAGEBUDDY_TORCH" if torch is installed.

    Call it before the actors are created, in the process that creates them. Ray then registers the
    transport in these actors. Methods with ``@ray.method(tensor_transport="PAGEBUDDY")`` return numpy
    arrays, or objects that contain some, through the host's arena.

    Parameters
    ----------
    arena : str, optional
        The name of an arena on each host, which the program creates: ``Arena.open(name, size)``. By
        default each host has an arena for the job, which is made when it is first used. It has half the
        size of ``/dev/shm``; pages that were never used take no memory.
    readonly : bool, optional
        Whether receivers get arrays with ``writeable=False``, as from Ray's object store. If false, what
        one actor on the host stores in an array, the others see. Tensors of torch can always be written
        to. Default: True.

    Raises
    ------
    TypeError, ValueError
        If `arena` cannot be a name, or the transport was registered with other arguments.

    Notes
    -----
    A second call with the same arguments does nothing. An actor that Ray restarts has lost the
    transport: call this in its ``__init__`` as well.

    Examples
    --------
    >>> import pagebuddy.adapters.ray
    >>> pagebuddy.adapters.ray.register()
    """
    if arena is not None:
        path_of(arena)
    settings = {"arena_name": arena, "readonly": bool(readonly)}
    kinds: list[tuple[type[_Arrays], type]] = [(_Arrays, np.ndarray)]
    if find_spec("torch") is not None:
        import torch

        kinds.append((_Tensors, torch.Tensor))
    for kind, data_type in kinds:
        known = transport_manager_info.get(kind.NAME)
        if known is None:
            # A class of its own, so that actors are sent it with its settings.
            transport = type("_Registered", (kind,), settings)
            register_tensor_transport(kind.NAME, ["cpu"], transport, data_type)
        elif (there := {x: getattr(known[0], x, None) for x in settings}) != settings:
            raise ValueError(f"{kind.NAME} is registered already, with {there}, not {settings}")


def arena() -> Arena:
    """Return the arena that the transport uses in this process, for arrays that are to be sent.

    Arrays that are made in it are sent without a copy.

    Returns
    -------
    Arena
        The host's arena. Closing it does not affect the transport.

    Raises
    ------
    RuntimeError
        If Ray has not been initialized.
    ArenaNotFound
        If `register` was given a name, and this host has no arena of that name.
    Exception
        All others that `Arena.attach` and `Arena.create` raise.

    Notes
    -----
    Takes some microseconds. In an actor whose transport is not registered yet, as in its ``__init__``,
    this is the default arena. `Arena.empty` raises `OutOfPages` if the arena is full; in a block of
    `Arena.numpy_memory`, numpy then uses its own memory.

    Examples
    --------
    >>> import ray, pagebuddy.adapters.ray
    >>> pagebuddy.adapters.ray.register()
    >>> class Camera:
    ...     @ray.method(tensor_transport="PAGEBUDDY")
    ...     def frame(self):
    ...         return pagebuddy.adapters.ray.arena().zeros((1080, 1920, 3), "u1")
    """
    return copy(_arena(transport_manager_info.get(FOR_ARRAYS, (_Arrays,))[0].arena_name))


def _arena(given: str | None) -> Arena:
    """Return the arena with a given name, or that of this host and job."""
    name = given or _name_here()
    found = _arenas.get(name)
    if found is None:
        if given:
            found = Arena.attach(given)
        else:
            # In a notebook, one cluster follows another.
            _arenas.clear()
            _remove_unused()
            found = Arena.open(name, disk_usage(FOLDER).total // 2, slots=_SLOTS)
        _arenas[name] = found
    return found


def _name_here() -> str:
    """Return the name of the arena of this node and job. A node that was started again is another."""
    context = ray.get_runtime_context()
    name = f"{_PREFIX}{os.geteuid()}-{context.get_node_id()}-{context.get_job_id()}"
    if context.worker.mode == ray.SCRIPT_MODE:
        _of_own_jobs.add(name)
    return name


def _remove_unused() -> None:
    """Remove arenas of this user's jobs that no process uses: drivers were killed, or elsewhere."""
    for path in glob(f"{FOLDER}/{_PREFIX}{os.geteuid()}-*"):
        # No process can attach meanwhile.
        with suppress(OSError), open(path, "r+b") as file, attaching(file.fileno(), 0.1):
            if not any_is_taken(file.fileno(), N_LEASES):
                os.unlink(path)


@atexit.register
def _remove_those_of_own_jobs() -> None:
    """At exit of a driver: its actors end with it."""
    for name in _of_own_jobs:
        with suppress(OSError):
            os.unlink(path_of(name))


# -- the transport -------------------------------------------------------------------------------


@dataclass
class _Metadata(rdt.TensorTransportMetadata):
    """What receivers are told of an object."""

    arena_id: int = 0
    # The arrays, as a message of that arena; None if they are not there.
    message: bytes | None = None
    # The reference to them in the object store, if the sender is no actor that can be asked for it.
    parcel: Any = None


@dataclass
class _Communicator(rdt.CommunicatorMetadata):
    """Which actor a receiver can ask."""

    source: Any = None


@dataclass
class _Fetch(rdt.FetchRequest):
    """An object that comes through the object store: its parcel, or the call that returns the parcel."""

    metadata: Any = None
    call: Any = None


@dataclass
class _Sent:
    """An object that this process made, and that Ray has not freed. Its handles end with `unclaimed`."""

    things: list[Any]
    metadata: _Metadata
    unclaimed: Any = None
    parcel: Any = None


class _Arrays(rdt.TensorTransportManager):
    """The transport of numpy arrays. Ray calls it from several threads."""

    NAME = FOR_ARRAYS
    arena_name: str | None = None
    readonly = True

    def __init__(self) -> None:
        self._sent: dict[str, _Sent] = {}

    def tensor_transport_backend(self) -> str:
        return self.NAME

    # If transfers could not be aborted, Ray would kill both actors.
    is_one_sided = can_abort_transport = staticmethod(lambda: True)

    def abort_transport(self, obj_id: str, communicator_metadata: Any) -> None:
        """Do nothing: what waits for the object store ends by itself."""

    def actor_has_tensor_transport(self, actor: Any) -> bool:
        with suppress(Exception):
            # If this is a driver, it remembers which arena to remove at exit.
            _name_here()
        return True

    # -- the sender

    def extract_tensor_transport_metadata(self, obj_id: str, rdt_object: list[Any]) -> _Metadata:
        _leave_other_arrays_alone()
        sent = self._sent.get(obj_id)
        if sent is None:
            # Else this is a retry of a call whose answer was lost.
            sent = self._sent[obj_id] = self._to_send(rdt_object)
        return sent.metadata

    def _to_send(self, things: list[Any]) -> _Sent:
        # Also of tensors on other devices, for which the store is used.
        told = _Metadata([(x.shape, x.dtype) for x in things], "cpu")
        sent = _Sent(things, told)
        if things:
            try:
                self._put_in_arena(sent)
            except Exception as error:
                _count("an object is sent through Ray's store", error)
            if ray.get_runtime_context().get_actor_id() is None and (
                told.message is None or sum(node["Alive"] for node in ray.nodes()) > 1
            ):
                # Nobody can ask this process for it later. As Ray would pickle the reference, which it
                # cannot do here: it holds a lock that it needs for that.
                ref = self._parcel_of(sent)
                core = ray._private.worker.global_worker.core_worker
                told.parcel = (
                    ref.binary(),
                    ref.call_site(),
                    *core.serialize_object_ref(ref)[1:],
                    None,
                )
        return sent

    def _put_in_arena(self, sent: _Sent) -> None:
        """Make the message of an object, and its handles."""
        arena = _arena(self.arena_name)
        a = arena._open
        items = [self._shown(x, a) for x in sent.things]
        if any(x is None for x in items):
            fallbacks.count("kind", "arrays of Python objects are sent through Ray's store")
            return
        _end_handles_of_the_dead(a)
        # They end when their last sender has, or when Ray frees the object.
        sent.unclaimed = a.unclaimed(_GROUP, ANY_CLAIMS, TIED)
        sent.metadata.message = sent.unclaimed.pack(arena, items, pickled, _MOST_BYTES).message
        sent.metadata.arena_id = a.layout.arena_id

    def _parcel_of(self, sent: _Sent) -> Any:
        """Return the object's reference in the store, where all receivers share one copy."""
        if sent.parcel is None:
            sent.parcel = ray.put([self._stored(x) for x in sent.things])
        return sent.parcel

    def send_multiple_tensors(self, *args: Any) -> None:
        raise NotImplementedError("receivers claim the handles")

    def garbage_collect(self, obj_id: str, tensor_transport_meta: Any, tensors: Any) -> None:
        # The handles end with the object that made them.
        self._sent.pop(obj_id, None)

    # -- the receiver

    def get_communicator_metadata(self, src: Any, dst: Any, backend: Any = None) -> _Communicator:
        return _Communicator(src)

    def fetch_multiple_tensors(
        self, obj_id: str, metadata: Any, peers: Any, into: Any = None
    ) -> Any:
        if into:
            raise ValueError(f"{self.NAME} cannot receive into memory that exists: set no target")
        things = self._claimed(metadata)
        if things is not None:
            return rdt.FetchRequest(obj_id, things)
        if metadata.parcel is not None:
            return _Fetch(
                obj_id, serialization._object_ref_deserializer(*metadata.parcel), metadata
            )
        source = peers.source
        if source is None:
            # `ray.get` does not say it, but this process has a reference.
            source = ray._private.worker.global_worker.rdt_manager.get_rdt_metadata(obj_id)[0]
        if not isinstance(source, ray.actor.ActorHandle):
            raise RayDirectTransportError(f"{obj_id} was put by no actor, elsewhere")
        # Not by the thread that receives: two actors may wait for each other.
        method = source.__ray_call__.options(concurrency_group="_ray_system_error")
        return _Fetch(obj_id, None, metadata, method.remote(_parcel, self.NAME, obj_id))

    def _claimed(self, metadata: _Metadata) -> list[Any] | None:
        """Return the object, from the arena; None if it has to be fetched from the store."""
        if metadata.message is None:
            return None if metadata.tensor_meta else []
        try:
            a = _arena(self.arena_name)._open
            if a.layout.arena_id == metadata.arena_id:
                return self._received(a.loaded(metadata.message), metadata)
            fallbacks.count("another arena", "bytes of other arenas come through Ray's store")
        except Exception as error:
            _count("an object is fetched through Ray's store", error)
        return None

    def wait_fetch_complete(self, fetch_request: Any, timeout: float = -1) -> Any:
        if not isinstance(fetch_request, _Fetch):
            return fetch_request.tensors
        parcel, left = fetch_request.tensors, None if timeout < 0 else timeout
        try:
            if parcel is None:
                start = time.monotonic()
                (parcel,) = ray.get(fetch_request.call, timeout=left)
                left = left and max(left - (time.monotonic() - start), 0)
            items = ray.get(parcel, timeout=left)
        except TimeoutError:
            raise
        except RayError as error:
            raise RayDirectTransportError(
                f"object {fetch_request.obj_id} is neither in the arena nor can it be fetched from the "
                f"process that made it, which may have died: {error}"
            ) from None
        return self._received(items, fetch_request.metadata)

    def recv_multiple_tensors(self, *args: Any) -> Any:
        request = self.fetch_multiple_tensors(*args)
        # As long as Ray waits itself.
        return self.wait_fetch_complete(request, ray_constants.RDT_FETCH_FAIL_TIMEOUT_SECONDS)

    # -- what is sent

    def _shown(self, thing: Any, a: Any) -> Any:
        """Return the array that stands for one in a message; None if it cannot be in an arena."""
        if thing.dtype.hasobject:
            return None
        if self.readonly:
            thing = thing.view()
            thing.flags.writeable = False
        return thing

    def _stored(self, thing: Any) -> Any:
        """Return what stands for one in Ray's store."""
        return thing

    def _received(self, items: list[Any], metadata: _Metadata) -> list[Any]:
        """Return the object of what arrived."""
        return items if self.readonly else [x if x.flags.writeable else x.copy() for x in items]


class _Tensors(_Arrays):
    """The transport of torch tensors, as arrays of their bytes: torch has types that numpy has not."""

    NAME = FOR_TENSORS

    def _bytes(self, tensor: Any) -> Any:
        import torch

        if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_quantized:
            return None
        flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
        return flat.view(torch.uint8).numpy()

    def _shown(self, thing: Any, a: Any) -> Any:
        array = self._bytes(thing)
        if array is None or not array.size:
            return array
        # torch hides to whom the memory belongs.
        found = Finder(a).found(array, array.ctypes.data, array.nbytes)
        return array if found is None else np.ndarray(array.shape, "u1", found[0].view, found[1])

    def _stored(self, thing: Any) -> Any:
        array = self._bytes(thing)
        return thing if array is None else array

    def _received(self, items: list[Any], metadata: _Metadata) -> list[Any]:
        import torch

        made = []
        for x, (shape, kind) in zip(items, metadata.tensor_meta, strict=True):
            if isinstance(x, np.ndarray):
                # torch has no tensors that cannot be written to.
                x = torch.from_numpy(x if x.flags.writeable else x.copy())
                x = x.view(kind).reshape(shape) if len(x) else torch.empty(shape, dtype=kind)
            made.append(x)
        return made


def _parcel(actor: Any, name: str, obj_id: str) -> Any:
    """Return the reference in the store of an object that this actor made. Runs in the actor."""
    transport = get_tensor_transport_manager(name)
    return [transport._parcel_of(transport._sent[obj_id])]


_rays_reducer: Any = None


def _leave_other_arrays_alone() -> None:
    """Let arrays that this process sends without a transport be sent as if there was none.

    With the first array that a process sends by a transport, Ray sets a reducer for all arrays: those of
    other methods would be copied into the pickle, and out of it again.
    """
    global _rays_reducer
    there = CloudPickler.dispatch.get(np.ndarray)
    if there is not None and there is not _reduced:
        _rays_reducer = there
        CloudPickler.dispatch[np.ndarray] = _reduced


def _reduced(array: Any) -> Any:
    context = ray._private.worker.global_worker.get_serialization_context()
    if getattr(context._thread_local, "use_external_transport", False):
        return _rays_reducer(array)
    return array.__reduce_ex__(5)


def _end_handles_of_the_dead(a: Any) -> None:
    """End what processes that died had sent: Ray has given it up."""
    a.perform(a.request(), OP_REAP)
    a.perform(a.request(group=_GROUP), OP_REAP_TICKETS)


def _count(what: str, error: Exception) -> None:
    fallbacks.count(type(error).__name__, f"{what}: {type(error).__name__}: {error}")
