# Tercel with what a desk needs, and an exchange to try it at: `docker build -t tercel .`, `docker run --rm tercel --help`.
FROM python:3.12-slim

RUN useradd --create-home --uid 10001 tercel && mkdir /desks /cache && chown tercel /desks /cache
WORKDIR /src
COPY pyproject.toml README.md LICENSE MANIFEST.in ./
COPY src ./src
COPY exchange ./exchange
RUN pip install --no-cache-dir ".[trade]" ./exchange && rm -rf /src

USER tercel
WORKDIR /home/tercel
ENV TERCEL_CACHE=/cache PYTHONUNBUFFERED=1
VOLUME ["/desks", "/cache"]
ENTRYPOINT ["tercel"]
CMD ["--help"]
