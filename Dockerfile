# The action's image. It builds with the classic builder, and where no registry is reached from local bases:
#   docker build --build-arg GO_IMAGE=my/golang --build-arg BASE_IMAGE=my/debian .
ARG GO_IMAGE=golang:1.26-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY internal internal
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/org/promote-action/internal/cli.version=${VERSION}" -o /promote ./cmd/promote

FROM ${BASE_IMAGE}
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends ca-certificates git openssh-client >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /usr/share/doc/* /usr/share/man/*
# The runner starts post steps by one path without arguments, so they have a name of their own.
RUN ln -s promote /promote-post
ARG VERSION=
LABEL org.opencontainers.image.title="promote" \
      org.opencontainers.image.description="Promote a release from development to staging as one unit, and give staging back when anything fails" \
      org.opencontainers.image.source="https://github.com/org/promote-action" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /promote /promote
ENTRYPOINT ["/promote"]
