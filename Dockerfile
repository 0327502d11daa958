# seektrack serving a library: docker compose up, or
#   docker build -t seektrack . && docker run -p 127.0.0.1:8642:8642 -v ./films:/films -v ./library:/library seektrack
FROM python:3.11-slim

# The pocket models need no torch; --build-arg EXTRAS=serve,torch brings it, by default its small CPU build.
ARG EXTRAS=serve
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir -c constraints.txt --extra-index-url "$TORCH_INDEX" ".[$EXTRAS]" && rm -rf /src

RUN useradd --create-home seektrack && mkdir /films /library && chown seektrack /films /library
USER seektrack
WORKDIR /home/seektrack
ENV OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
VOLUME ["/films", "/library"]
EXPOSE 8642
ENTRYPOINT ["seektrack"]
# Inside the container every address is its own; who reaches the port is for docker to say: see compose.yaml.
CMD ["serve", "/library/library", "--root", "/films", "--host", "0.0.0.0", "--open"]
