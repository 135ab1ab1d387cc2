"""An asyncio web service. Other processes do its work; they may start, end, or crash at any time.

python examples/async_service.py NAME serve PORT    then `curl localhost:PORT/20` sums squares below 20
python examples/async_service.py NAME work          in other terminals, as many as you like
"""

import asyncio
import sys
import uuid

import pagebuddy as pb


async def serve(tasks: pb.ArenaQueue, results: pb.ArenaQueue, port: int) -> None:
    answers: dict[tuple[str, int], asyncio.Future[int]] = {}

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = uuid.uuid4().hex, int((await reader.readline()).split()[1][1:])
        answer = answers[request] = asyncio.get_running_loop().create_future()
        await tasks.aput(request)  # while the queue is full, other requests are served
        await asyncio.wait([answer], timeout=30)
        del answers[request]
        text = f"200 OK\r\n\r\n{answer.result()}" if answer.done() else "503 Later\r\n\r\n"
        writer.write(f"HTTP/1.0 {text}\n".encode())
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    print("listening on port", server.sockets[0].getsockname()[1], flush=True)
    async for request, result in results:
        if request in answers:
            answers[request].set_result(result)


if __name__ == "__main__":
    arena = pb.Arena.open(sys.argv[1], "1 GiB") if len(sys.argv) > 2 else sys.exit(__doc__)
    tasks, results = arena.queue("tasks", maxsize=1000), arena.queue("results")
    asyncio.run(serve(tasks, results, int(sys.argv[3]))) if sys.argv[2] == "serve" else None
    for request in tasks:
        results.put((request, sum(i * i for i in range(request[1]))))
