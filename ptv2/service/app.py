"""The routes."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ptv2.config.run import PredictionsConfig
from ptv2.errors import UserError
from ptv2.rows.json_rows import finite, parsed
from ptv2.service.completions import CompletionRequest, completion, question_of
from ptv2.service.metrics import Metrics
from ptv2.service.refused import Refused, line_of
from ptv2.service.service import Question, Service

Model = TypeVar("Model", bound=BaseModel)


class PredictRequest(BaseModel):
    """Rows for an artifact; the other fields are options of `python -m ptv2.predict`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    artifact: str
    rows: list[Any]
    task: str | None = None
    top: Annotated[int, Field(ge=1)] | Literal["all"] | None = PredictionsConfig.top
    with_inputs: bool = False
    on_bad_row: Literal["error", "skip"] = "error"


def make_app(service: Service, tokens: Sequence[str] = ()) -> FastAPI:
    """Make the application.

    Args:
        service: what answers.
        tokens: of which a request has to show one; none: all may ask.
    """
    # docs/serving.md has the routes; one with a slash at its end is another, as a redirect has no JSON
    app = FastAPI(title="ptv2", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    limits, open_requests = service.limits, [0]

    async def counted() -> AsyncIterator[None]:
        """Take a request, unless too many are open."""
        if open_requests[0] >= limits.connections:
            raise Refused(503, "too_many_requests", f"{open_requests[0]} requests are open", service.retry_after())
        open_requests[0] += 1
        try:
            yield
        finally:
            open_requests[0] -= 1

    async def allowed(request: Request) -> None:
        """Refuse a request without one of the tokens."""
        if not tokens:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        fits = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in tokens]
        if kind.lower() != "bearer" or not any(fits):
            raise Refused(401, "no_token", "send Authorization: Bearer TOKEN with a token that the server knows")

    guarded = [Depends(allowed), Depends(counted)]

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def health() -> Response:
        status = "stopping" if service.stopping else "ok" if service.engine.alive else "failed"
        return JSONResponse({"status": status}, 200 if status == "ok" else 503)

    @app.get("/metrics", dependencies=guarded)
    async def metrics() -> Response:
        joined, held = len(service.residents.joined), len(service.held)
        text = service.metrics.text(
            waiting_features=service.engine.waiting, open_requests=open_requests[0], artifacts=held, joined=joined
        )
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    @app.post("/v1/predict", dependencies=guarded)
    async def predict(request: Request) -> Response:
        asked = await read(request, PredictRequest, limits.body, limits.body_seconds)
        shown = PredictionsConfig(None if asked.top == "all" else asked.top, asked.with_inputs)
        question = Question(asked.artifact, asked.rows, asked.task, asked.on_bad_row == "skip", shown)
        job, records = await service.answer(question, lambda: hung_up(request))
        said = {str(number): line_of(str(error)) for number, error in sorted(job.asked.bad.items())}
        answer = {"artifact": asked.artifact, "version": job.joined.version, "records": records}
        return json_response(answer | ({"skipped": said} if said else {}))

    @app.post("/v1/completions", dependencies=guarded)
    async def complete(request: Request) -> Response:
        asked = await read(request, CompletionRequest, limits.body, limits.body_seconds)
        job, _ = await service.answer(question_of(asked), lambda: hung_up(request))
        return json_response(completion(asked, job))

    @app.get("/v1/artifacts", dependencies=guarded)
    async def artifacts() -> Response:
        found = await asyncio.to_thread(service.folder.names)
        loaded = [resident.about() for _, resident in sorted(service.held.items())]
        others = [name for name in found if name not in service.held]
        return json_response({"backbone": service.residents.backbone.name, "artifacts": loaded, "not_loaded": others})

    @app.put("/v1/artifacts/{name}", dependencies=guarded)
    async def load(name: str) -> Response:
        resident, is_new = await service.load(name)
        return json_response(resident.about(), 201 if is_new else 200)

    @app.delete("/v1/artifacts/{name}", dependencies=guarded)
    async def unload(name: str) -> Response:
        resident = await service.unload(name)
        return json_response({"name": name, "version": resident.version, "loaded": None})

    app.add_middleware(Counted, metrics=service.metrics)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, wrong_route)
    app.add_exception_handler(Exception, failed)
    return app


class Counted:
    """Counts requests by route and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        def count(status: int) -> None:
            nonlocal begun
            begun = True
            self.metrics.requests[getattr(scope.get("route"), "path", "none"), status] += 1

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception:
            if not begun and scope["type"] == "http":  # `failed` answers, outside of this
                count(500)
            raise


async def read(request: Request, model: type[Model], limit: int, seconds: int) -> Model:
    """Read the body of a request as JSON of the right form.

    Raises:
        Refused: another media type, more bytes or seconds than it may take, no JSON, or of another form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "not_json", "send the header Content-Type: application/json")
    parts, size, late = [], 0, Refused(408, "slow_request", f"the request took more than {seconds} seconds to arrive")
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)  # what is too much is read as well, or the client would see a broken pipe
                if size <= limit:
                    parts.append(part)
                if size > 4 * limit:
                    break
    except TimeoutError as error:
        raise late from error
    except ClientDisconnect as error:
        raise Refused(499, "gone", "the client hung up") from error
    if size > limit:
        raise Refused(413, "body_too_large", f"the body has more than {limit} bytes; send the rows in several requests")
    try:
        value = parsed(b"".join(parts).decode("utf-8"), "body", 1)
    except (UserError, UnicodeDecodeError) as error:
        raise Refused(400, "not_json", str(error).splitlines()[0]) from error
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise Refused(422, "bad_request", f"{where}: {first['msg']}") from error


async def hung_up(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def json_response(value: Any, status: int = 200) -> Response:
    """Write an answer as UTF-8, as the lines of `predict` are written, with null for what JSON has no number for."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False)
    return Response(text.encode("utf-8", "replace"), status, None, "application/json")


async def refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = error.headers | ({"Connection": "close"} if error.status in (408, 413) else {})
    return JSONResponse(error.body, error.status, headers)


async def wrong_route(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "no_such_route", 405: "wrong_method"}.get(error.status_code, "bad_request")
    return JSONResponse(Refused(error.status_code, code, error.detail).body, error.status_code, error.headers)


async def failed(_request: Request, _error: Exception) -> Response:
    what = "the server failed on this request; its log says why"
    return JSONResponse(Refused(500, "internal", what).body, 500)
