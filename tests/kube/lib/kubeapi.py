# SPDX-License-Identifier: Apache-2.0
"""The settings of an instance and requests to its apiserver."""
import http.client
import json
import os
import ssl
import sys
import time

RUN = os.path.join(os.environ.get('SWERVE_KUBE_RUN', '/run/swerve-kube'),
                   os.environ.get('SWERVE_KUBE_NAME', 'main'))
MERGE = 'application/strategic-merge-patch+json'


def enter_netns():
    """Starts the command again in the network namespace of the instance."""
    try:
        with open(RUN + '/pid/apiserver') as f:
            namespace = '/proc/%s/ns/net' % f.read().split()[0]
        if os.stat(namespace).st_ino != os.stat('/proc/self/ns/net').st_ino:
            os.execvp('nsenter', ['nsenter', '--net=' + namespace] + sys.argv)
    except OSError:
        pass  # the first request says what is wrong


class ApiError(Exception):
    """An answer with a status of 400 or above."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


FAILURES = (ApiError, OSError, http.client.HTTPException)


class Api:
    """One connection to the apiserver, as the administrator."""

    def __init__(self):
        try:
            with open(RUN + '/settings') as f:
                port = int(f.read().split()[0]) + 3
            with open(RUN + '/tokens/admin') as f:
                self.token = f.read().strip()
        except OSError as e:
            sys.exit('no running instance: %s (run the up command first)' % e)
        context = ssl.create_default_context(cafile=RUN + '/ca.crt')
        self.connection = http.client.HTTPSConnection('127.0.0.1', port, context=context, timeout=30)

    def send(self, method, path, data, content_type):
        """Returns the status and the body; a kept connection that is closed by now is replaced."""
        headers = {'Authorization': 'Bearer ' + self.token, 'Content-Type': content_type}
        while True:
            again = self.connection.sock is not None and method != 'POST'
            try:
                self.connection.request(method, path, data, headers)
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException) as e:
                self.connection.close()
                if not again or isinstance(e, TimeoutError):
                    raise

    def request(self, method, path, body=None, content_type='application/json'):
        """Returns the decoded answer."""
        data = None if body is None else json.dumps(body)
        status, text = self.send(method, path, data, content_type)
        if status >= 400:
            raise ApiError(status, '%s %s: %d %s' % (method, path, status, text.decode()[:300]))
        return json.loads(text)


def pod_path(namespace, name=''):
    """The API path of a pod, or of all pods of the namespace."""
    return '/api/v1/namespaces/%s/pods%s' % (namespace, '/' + name if name else '')


def now():
    """The time as the API writes it."""
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())


def conditions(ready, *kinds):
    """Pod conditions: Ready and ContainersReady as given, `kinds` true."""
    result = [{'type': kind, 'status': 'True', 'lastTransitionTime': now()} for kind in kinds]
    for kind in ('Ready', 'ContainersReady'):
        result.append({'type': kind, 'status': 'True' if ready else 'False', 'lastTransitionTime': now(),
                       'reason': None if ready else 'ContainersNotReady'})
    return result
